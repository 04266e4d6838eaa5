import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, link, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { HoldfastError } from '../../src/errors.ts';
import type { LabelledBackup } from '../../src/labels/labelled-backup.ts';
import { placeLabel } from '../../src/labels/place-label.ts';
import { runProcess } from '../../dev/harness/children.ts';
import { noServerFiles, ownCluster, sharedCluster } from '../support/cluster.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';
import { backupAndCopy, copyNow, startRealBackup } from '../restore/real-backup.ts';

const test = testWhen(noServerFiles);

const unshared = ['--pid', '--fork', '--mount-proc'];
const { status: unshareStatus } = await runProcess('unshare', [...unshared, 'true']);
const noNamespaces = unshareStatus === 0 ? undefined : 'no pid namespace can be made here';

/** Nothing may have been written then. */
async function refusal(t: ExecutionContext, backup: LabelledBackup, copy: string): Promise<HoldfastError> {
  const before = await content(copy, 'backup_label');
  const error = await t.throwsAsync(placeLabel(backup, copy), { instanceOf: HoldfastError });
  t.is(await content(copy, 'backup_label'), before);
  return error;
}

function content(copy: string, name: string): Promise<string | undefined> {
  return readFile(join(copy, name), 'utf8').catch(() => undefined);
}

test('the label of the backup that a copy was made in is put into it, byte for byte', async (t) => {
  const { backup, copy } = await backupAndCopy(t, await sharedCluster());
  const { files, removed } = await placeLabel(backup, copy);
  t.deepEqual(files, [join(copy, 'backup_label')]);
  t.is(removed, undefined);
  t.is(await content(copy, 'backup_label'), backup.label.toString());
  t.is(await content(copy, 'tablespace_map'), undefined);
});

test('so is a tablespace_map, where there is one', async (t) => {
  const { backup, copy } = await backupAndCopy(t, await sharedCluster());
  const map = `16385 /no/where\n16386 ${copy}\n`;
  const { files, tablespaces } = await placeLabel({ ...backup, tablespaceMap: Buffer.from(map) }, copy);
  t.is(files.length, 2);
  t.is(await content(copy, 'tablespace_map'), map);
  t.deepEqual(tablespaces, [
    { oid: '16385', location: '/no/where', exists: false },
    { oid: '16386', location: copy, exists: true },
  ]);
});

test('to place it twice is no error', async (t) => {
  const { backup, copy } = await backupAndCopy(t, await sharedCluster());
  t.deepEqual(await placeLabel(backup, copy), await placeLabel(backup, copy));
});

test('a copy from before the backup is refused', async (t) => {
  const cluster = await sharedCluster();
  const copy = await copyNow(t, cluster);
  const backup = await (await startRealBackup(t, cluster)).stop();
  const error = await refusal(t, backup, copy);
  t.is(error.code, 'copy_mismatch');
  t.regex(error.message, /it was made before this backup began$/);
});

test('a copy from after the backup is refused', async (t) => {
  const cluster = await sharedCluster();
  const real = await startRealBackup(t, cluster);
  const backup = await real.stop();
  await real.client.query('checkpoint');
  const error = await refusal(t, backup, await copyNow(t, cluster));
  t.is(error.code, 'copy_mismatch');
  t.regex(error.message, /it was made after this backup, or a server has run on it$/);
});

test('a copy of another cluster is refused', async (t) => {
  const { backup } = await backupAndCopy(t, await sharedCluster());
  const { copy } = await backupAndCopy(t, await ownCluster(t));
  const error = await refusal(t, backup, copy);
  t.is(error.code, 'copy_mismatch');
  t.regex(error.message, /they are of different clusters$/);
});

test('a damaged pg_control is refused', async (t) => {
  const { backup, copy } = await backupAndCopy(t, await sharedCluster());
  const path = join(copy, 'global/pg_control');
  const bytes = await readFile(path);
  bytes[60] = Number(bytes[60]) ^ 1;
  await writeFile(path, bytes);
  const error = await refusal(t, backup, copy);
  t.is(error.code, 'copy_unusable');
  t.regex(error.message, /checksum is wrong/);
});

test('a pg_control of a version that is not known is refused by the version, and not called damaged', async (t) => {
  const { backup, copy } = await backupAndCopy(t, await sharedCluster());
  const path = join(copy, 'global/pg_control');
  const bytes = await readFile(path);
  bytes.writeUInt32LE(2000, 8);
  await writeFile(path, bytes);
  const error = await refusal(t, backup, copy);
  t.is(error.code, 'unsupported_version');
  t.regex(
    error.message,
    /pg_control" cannot be read: it has the version 2000, which belongs to no PostgreSQL 12 to 19$/,
  );
});

test('a directory that is no data directory is refused', async (t) => {
  const { backup, copy } = await backupAndCopy(t, await sharedCluster());
  t.is((await refusal(t, backup, join(copy, 'global'))).code, 'not_a_data_directory');
  t.is((await refusal(t, backup, join(copy, 'PG_VERSION'))).code, 'not_a_data_directory');
  t.is((await refusal(t, backup, join(copy, 'nowhere'))).code, 'not_a_data_directory');
});

test('the label of another backup is never overwritten', async (t) => {
  const { backup, copy } = await backupAndCopy(t, await sharedCluster());
  await writeFile(join(copy, 'backup_label'), 'LABEL: another\n');
  const error = await refusal(t, backup, copy);
  t.is(error.code, 'other_label_present');
  t.regex(error.message, /backup_label" exists already and is different$/);
});

test('a tablespace_map is refused where the backup has none', async (t) => {
  const { backup, copy } = await backupAndCopy(t, await sharedCluster());
  await writeFile(join(copy, 'tablespace_map'), '16385 /some/where\n');
  const error = await refusal(t, backup, copy);
  t.is(error.code, 'other_label_present');
  t.regex(error.message, /tablespace_map" exists, and this backup has none$/);
});

test('where the label cannot be written, no recovery.signal is left', async (t) => {
  const { backup, copy } = await backupAndCopy(t, await sharedCluster());
  const path = join(copy, 'backup_label');
  await symlink(join(copy, 'nowhere'), path);
  await t.throwsAsync(placeLabel(backup, copy, { stopBefore: 1n << 60n }), { code: 'other_label_present' });
  t.is(await content(copy, 'recovery.signal'), undefined);
  await rm(path);
  await placeLabel(backup, copy, { stopBefore: 1n << 60n });
  t.is(await content(copy, 'recovery.signal'), '');
});

test('a directory with a server running on it is refused', async (t) => {
  const cluster = await sharedCluster();
  const backup = await (await startRealBackup(t, cluster)).stop();
  const error = await refusal(t, backup, cluster.dataDirectory ?? '');
  t.is(error.code, 'server_running');
});

test('a postmaster.pid that was copied along is removed', async (t) => {
  const cluster = await sharedCluster();
  const { backup, copy } = await backupAndCopy(t, cluster);
  const path = join(copy, 'postmaster.pid');
  // That server is alive, and works elsewhere.
  await writeFile(path, await readFile(join(cluster.dataDirectory ?? '', 'postmaster.pid')));
  t.is((await placeLabel(backup, copy)).removed, path);
  t.is(await content(copy, 'postmaster.pid'), undefined);
});

test('a postmaster.pid of a process that is gone is removed', async (t) => {
  const { backup, copy } = await backupAndCopy(t, await sharedCluster());
  const gone = spawn('true');
  await once(gone, 'exit');
  await writeFile(join(copy, 'postmaster.pid'), `${gone.pid}\n${copy}\n`);
  t.is((await placeLabel(backup, copy)).removed, join(copy, 'postmaster.pid'));
});

testWhen(noServerFiles ?? noNamespaces)(
  'a server in another pid namespace may run on a directory that it has noted itself in, and not on a copy',
  async (t) => {
    const cluster = await sharedCluster();
    const { copy } = await backupAndCopy(t, cluster);
    await writeFile(
      join(copy, 'postmaster.pid'),
      await readFile(join(cluster.dataDirectory ?? '', 'postmaster.pid')),
    );
    const seen = async (directory: string) => {
      const file = new URL('../../src/postgres/postmaster.ts', import.meta.url).href;
      const script = `import { serverLock } from '${file}'; console.log((await serverLock(process.argv[1])).state)`;
      const args = [...unshared, process.execPath, '--input-type=module', '-e', script, directory];
      return (await runProcess('unshare', args)).stdout.trim();
    };
    t.is(await seen(cluster.dataDirectory ?? ''), 'unclear');
    t.is(await seen(copy), 'stale');
  },
);

test('a postmaster.pid of a process that works in that directory is respected', async (t) => {
  const { backup, copy } = await backupAndCopy(t, await sharedCluster());
  const there = spawn('sleep', ['60'], { cwd: copy });
  t.teardown(() => there.kill('SIGKILL'));
  await once(there, 'spawn');
  await writeFile(join(copy, 'postmaster.pid'), `${there.pid}\n${copy}\n`);
  const error = await refusal(t, backup, copy);
  t.is(error.code, 'server_running');
  t.regex(error.message, new RegExp(`postmaster.pid of process ${there.pid}, which is alive$`));
});

testWhen(process.getuid?.() === 0 ? noServerFiles : 'only root can give files away')(
  'as root, a link in the copy is not followed: what it leads to is neither written nor given away',
  async (t) => {
    const { backup, copy } = await backupAndCopy(t, await sharedCluster());
    const secret = join(await temporaryDirectory(t), 'secret');
    await writeFile(secret, 'kept');
    for (const name of ['recovery.signal', 'postgresql.auto.conf'])
      for (const make of [symlink, link]) {
        await rm(join(copy, name), { force: true });
        await make(secret, join(copy, name));
        await t.throwsAsync(placeLabel(backup, copy, { stopBefore: 1n << 60n }), { code: 'link_in_the_way' });
        t.is(await readFile(secret, 'utf8'), 'kept');
        t.is((await stat(secret)).uid, 0);
        await rm(join(copy, name));
      }
  },
);

test("the files are the directory's owner's, and its group's to read where the directory is", async (t) => {
  for (const [directoryMode, fileMode] of [
    [0o700, 0o600],
    [0o750, 0o640],
  ] as const) {
    const { backup, copy } = await backupAndCopy(t, await sharedCluster());
    await chmod(copy, directoryMode);
    await placeLabel(backup, copy);
    const [file, directory] = await Promise.all([stat(join(copy, 'backup_label')), stat(copy)]);
    t.is(file.mode & 0o777, fileMode);
    t.deepEqual([file.uid, file.gid], [directory.uid, directory.gid]);
  }
});
