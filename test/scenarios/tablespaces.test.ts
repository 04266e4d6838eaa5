// The tablespace_map of the row is what a restored copy starts with.
import { cp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { chownSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createCluster } from '../../dev/embedded/cluster.ts';
import { completeBackup, labelFiles, startBackup } from '../support/backups.ts';
import { runProcess } from '../../dev/harness/children.ts';
import { noServerFiles, ownCluster } from '../support/cluster.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { startWorkerProcess } from '../support/process.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const notEmbedded =
  process.env['TEST_POSTGRES'] === 'containers' ? "the copy is started from npm's binaries" : undefined;
const test = testWhen(noServerFiles, notEmbedded);

test('a copy starts with label and map from the row, its tablespace where the map says', async (t) => {
  const source = await ownCluster(t, { installed: true });
  const data = String(source.dataDirectory);
  const owner = await stat(data);
  const space = join(dirname(data), 'space with a \\ in it');
  mkdirSync(space);
  chownSync(space, owner.uid, owner.gid);
  const db = await installedDatabase(t, source);
  const worker = await startWorkerProcess(t, { url: db.url });
  const client = await connect(t, db.url);
  await client.query(`create tablespace elsewhere location '${space}'`);
  await client.query('create table kept tablespace elsewhere as select generate_series(1, 1000) n');

  const { id } = await startBackup(client);
  await client.query('insert into kept select generate_series(1001, 2000)');
  const copy = await createCluster({ version: source.version as 18, empty: true });
  t.teardown(() => copy.remove());
  const movedSpace = join(copy.directory, 'moved');
  // As tar would, with the window open; links are not followed, and the map replaces them.
  const exclude = ['--exclude=./pg_wal/*', '--exclude=./postmaster.*', '--exclude=./pg_tblspc/*'];
  await pipe('tar', ['-C', data, ...exclude, '-cf', join(copy.directory, 'base.tar'), '.']);
  await pipe('tar', ['-C', copy.dataDirectory, '-xpf', join(copy.directory, 'base.tar')]);
  await cp(space, movedSpace, { recursive: true });
  const row = await completeBackup(client, id);
  t.is((await labelFiles(worker.labels, id))?.get('tablespace_map')?.toString(), row.tablespace_map ?? '');
  // A backslash is escaped from 14 on.
  const escaped = source.version >= 14 ? space.replaceAll('\\', '\\\\') : space;
  t.is(/^\d+ (.*)\n$/.exec(String(row.tablespace_map))?.[1], escaped);

  // The tablespace's own place is taken: the source still runs. So the copy gets another, as a restore would.
  const map = String(row.tablespace_map).replace(/ .*\n/, ` ${movedSpace}\n`);
  await writeFile(join(copy.dataDirectory, 'backup_label'), String(row.backup_label));
  await writeFile(join(copy.dataDirectory, 'tablespace_map'), map);
  await writeFile(join(copy.dataDirectory, 'recovery.signal'), '');
  await copy.appendSettings({
    restore_command: `cp "${source.archiveDirectory}/%f" "%p"`,
    archive_mode: 'off',
  });
  await pipe('chown', ['-R', `${owner.uid}:${owner.gid}`, copy.dataDirectory, movedSpace]);
  await copy.start();
  const restored = await connect(t, copy.url({ database: db.name }));
  t.is(await restored.value('select count(*)::int from kept'), 2000);
  t.is(
    await restored.value(`select pg_tablespace_location(oid) from pg_tablespace where spcname = 'elsewhere'`),
    movedSpace,
  );
  await t.throwsAsync(readFile(join(copy.dataDirectory, 'tablespace_map')), { code: 'ENOENT' });
  await rm(join(copy.directory, 'base.tar'));
});

async function pipe(command: string, args: string[]): Promise<void> {
  const { status, stderr } = await runProcess(command, args);
  // tar ends with 1 when a file changed while it was read: expected of a running server.
  if (status !== 0 && !(command === 'tar' && status === 1))
    throw new Error(`${command} ended with ${status}: ${stderr}`);
}
