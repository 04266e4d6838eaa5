// The times of archived files are those of a copy, where a repository was copied: what leads to a target, and which
// timeline has the newest data, is read from the WAL.
import { existsSync } from 'node:fs';
import { readdir, rename, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Teardown } from '../../dev/harness/children.ts';
import { archivedPath } from '../../src/repository/wal-archive.ts';
import { eventually } from '../support/eventually.ts';
import { onBehalfOf, repositoryScene, type RepositoryScene } from '../support/repository-scene.ts';
import { noRestore } from '../support/restored-copy.ts';
import { shared } from '../support/shared.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore).serial;
const kept = 'select array_agg(n order by n)::text from kept';
const promote = ['--target-action', 'promote'];
const longAgo = new Date('2001-01-01T00:00:00Z');
const farAhead = new Date('2100-01-01T00:00:00Z');

/** Every file of the archive gets this time, as by rsync without -t. */
async function date(directory: string, time: Date): Promise<void> {
  const wal = join(directory, 'wal');
  const entries = await readdir(wal, { recursive: true });
  // What is being written has another name in a moment.
  for (const entry of entries.filter((name) => !name.startsWith('.writing/')))
    await utimes(join(wal, entry), time, time);
}

/** Row n is committed before moment n, and the segments of rows 2 and 4 lie between. */
async function written(t: Teardown) {
  const scene = await repositoryScene(t);
  const { admin, now, archiveAll } = scene;
  await admin.query('create table kept (n int)');
  await scene.backup();
  const moments: string[] = [];
  const segments: string[] = [];
  for (const n of [1, 2, 3, 4]) {
    await admin.query('insert into kept values ($1)', [n]);
    moments.push(await now());
    segments.push(await admin.value<string>('select pg_walfile_name(pg_current_wal_insert_lsn())'));
    await admin.query('insert into kept values (0)');
    await admin.query('delete from kept where n = 0');
    await archiveAll();
  }
  return { scene, moments, segments };
}

/** Who takes a segment away puts it back. */
const sharedArchive = shared(import.meta.url, written);

/** What a restore says beforehand, and whether it would have recovery go on where WAL is missing. */
async function tried(t: ExecutionContext, scene: RepositoryScene, ...args: string[]) {
  const to = join(await temporaryDirectory(t), 'data');
  const { status, stdout, stderr } = await scene.restore(
    to,
    '--dry-run',
    '--json',
    '--no-archiving',
    ...args,
  );
  t.false(existsSync(to));
  const { goes_on_despite_missing_wal: accepts = false } = (status === 0 ? JSON.parse(stdout) : {}) as {
    goes_on_despite_missing_wal?: boolean;
  };
  return { status, stderr, accepts };
}

for (const [what, time] of Object.entries({ 'long ago': longAgo, 'far ahead': farAhead }))
  test(`a target time is found in the commits, where all files are dated ${what}: a gap before it is refused, one behind it is not`, async (t) => {
    const { scene: base, moments, segments } = await sharedArchive();
    const scene = onBehalfOf(t, base);
    const { directory } = scene;
    const [second = ''] = moments.slice(1);
    await date(directory, time);
    t.deepEqual(await tried(t, scene, '--target-time', second), { status: 0, stderr: '', accepts: false });

    const behind = archivedPath(directory, String(segments[3]));
    const before = archivedPath(directory, String(segments[1]));
    await rename(archivedPath(directory, String(segments[2])), `${behind}.away`);
    t.deepEqual(await tried(t, scene, '--target-time', second), { status: 0, stderr: '', accepts: true });
    if (time === longAgo) {
      const { client } = await scene.started('--no-archiving', '--target-time', second, ...promote);
      t.is(await client.value(kept), '{1,2}');
    }
    await rename(`${behind}.away`, archivedPath(directory, String(segments[2])));

    await rename(before, `${before}.away`);
    const refused = await tried(t, scene, '--target-time', second);
    t.is(refused.status, 1);
    t.regex(
      refused.stderr,
      new RegExp(`${segments[1]} is missing in the archive, before ${second.slice(0, 10)}`),
    );
    const [first = ''] = moments;
    t.is((await tried(t, scene, '--target-time', first)).status, 0);
    await rename(`${before}.away`, before);
  });

test('a target that the WAL does not have is told beforehand, whatever the files are dated, as is one within the backup', async (t) => {
  const scene = await repositoryScene(t);
  const { admin, now, archiveAll, directory } = scene;
  await admin.query('create table kept (n int)');
  const xid = await admin.value<string>(`select (txid_current() & 4294967295)::text`);
  await admin.query(`select pg_create_restore_point('before')`);
  await scene.backup();
  await admin.query(`insert into kept values (1)`);
  await archiveAll();
  const late = await now();
  await date(directory, farAhead);
  const said = async (...args: string[]) => (await tried(t, scene, ...args)).stderr;
  t.regex(await said('--target-time', late), /and no transaction in it ended after .*: PostgreSQL/);
  t.regex(await said('--target-xid', xid), /transaction \d+ is not known to end .*name an older backup/);
  t.regex(await said('--target-name', 'before'), /restore point before is not in .*name an older backup/);
  await admin.query(`select pg_create_restore_point('behind')`);
  const last = await admin.value<string>(`select (txid_current() & 4294967295)::text`);
  await archiveAll();
  for (const args of [
    ['--target-name', 'behind'],
    ['--target-xid', last],
    ['--target-time', late],
  ])
    t.is(await said(...args), '');
});

test('which timeline has the newest data is read from the WAL, where the files are dated otherwise', async (t) => {
  const scene = await repositoryScene(t);
  const { admin, archiveAll, started, now, directory } = scene;
  await admin.query('create table kept (n int)');
  await scene.backup();
  await admin.query('insert into kept values (1)');
  const moment = await now();
  await admin.query('insert into kept values (99)');
  await archiveAll();
  const second = await started('--target-time', moment, ...promote);
  await second.client.query('insert into kept values (2)');
  await archiveAll(second.client);
  await eventually('its history is archived', () => existsSync(join(directory, 'wal/00000002.history')));
  await second.cluster.stop();

  await date(directory, longAgo);
  const first = join(directory, 'wal', '0000000100000000');
  for (const name of await readdir(first)) await utimes(join(first, name), farAhead, farAhead);
  t.is((await tried(t, scene)).status, 0, 'the second timeline was written to last');

  await admin.query('insert into kept values (100)');
  await archiveAll();
  await date(directory, longAgo);
  const { status, stderr } = await tried(t, scene);
  t.is(status, 1);
  t.regex(stderr, /timeline 2 is the newest, and does not have the newest data: .* was written to at 20/);
});
