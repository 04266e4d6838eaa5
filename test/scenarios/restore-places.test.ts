// Where `holdfast restore` puts things: tablespaces, owners and modes, a standby, and what it refuses.
import { existsSync } from 'node:fs';
import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { usual } from '../../dev/embedded/binaries.ts';
import { archivedPath } from '../../src/repository/wal-archive.ts';
import { eventually } from '../support/eventually.ts';
import { startHoldfast } from '../support/process.ts';
import { noRestore } from '../support/restored-copy.ts';
import { onBehalfOf, repositoryScene, type RepositoryScene } from '../support/repository-scene.ts';
import { shared } from '../support/shared.ts';
import { withClient } from '../support/sql-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore).serial;

async function oidOf({ admin }: RepositoryScene, name: string): Promise<string> {
  return admin.value(`select oid::text from pg_tablespace where spcname = $1`, [name]);
}

test('tablespaces go where they are sent, and ones below the data directory move along', async (t) => {
  const scene = await repositoryScene(t);
  const { admin, cluster, started } = scene;
  const outside = await cluster.serverDirectory('out side');
  const below = await cluster.serverDirectory('data/below');
  await admin.query(`create tablespace outside location '${outside}'`);
  await admin.query(`create tablespace below location '${below}'`);
  await admin.query('create table far tablespace outside as select generate_series(1, 1000) n');
  await admin.query('create table near tablespace below as select generate_series(1, 2000) n');
  await scene.backup();
  const moved = await cluster.serverDirectory('moved \\ here');
  // Fresh file systems have them: the server takes such a directory for a tablespace.
  for (const name of ['lost+found', '.snapshot']) await mkdir(join(moved, name));
  const oid = await oidOf(scene, 'outside');

  const there = await started('--no-archiving', '--tablespace', `${oid}=${moved}`);
  t.is(await there.client.value('select sum(n)::int from far'), 500_500);
  t.is(await there.client.value('select sum(n)::int from near'), 2_001_000);
  const { dataDirectory } = there.cluster;
  const link = (name: string) => readlink(join(dataDirectory, 'pg_tblspc', name));
  t.is(await link(oid), moved);
  t.is(await link(await oidOf(scene, 'below')), join(dataDirectory, 'below'));

  const asWere = '--tablespaces-as-they-were';
  const taken = await scene.restore(join(await temporaryDirectory(t), 'data'), asWere);
  t.is(taken.status, 1);
  t.regex(
    taken.stderr,
    /out side" is not empty\n {2}hint: tablespace \d+ would go there: .* --tablespace \d+=DIR/,
  );
  const mount = await temporaryDirectory(t);
  await mkdir(join(mount, 'lost+found'));
  const onMount = await scene.restore(mount, asWere);
  t.is(onMount.status, 1);
  const belowIt = `: it has "lost+found", as a mount point may\n  hint: restore to a directory below that one, as initdb asks for: --to ${join(mount, 'data')}\n`;
  t.true(onMount.stderr.includes(belowIt), onMount.stderr);
  const unknown = await scene.restore(join(await temporaryDirectory(t), 'data'), '--tablespace', '1=/tmp/x');
  t.is(unknown.status, 2);
  t.regex(unknown.stderr, /the backup has no tablespace 1\n {2}hint: give one of \d+, \d+/);
});

test('a tablespace that is in place is restored in place, and pg_wal that was a link as a directory, or where it is sent', async (t) => {
  const elsewhere = await temporaryDirectory(t);
  await chmod(elsewhere, 0o777);
  const initdb = [`--waldir=${join(elsewhere, 'its wal')}`];
  // Without that setting no recovery gets over such a tablespace, a crash's neither.
  const settings = { allow_in_place_tablespaces: 'on' };
  const scene = await repositoryScene(t, { version: usual, initdb, settings });
  const { cluster, started } = scene;
  t.true((await lstat(join(String(cluster.dataDirectory), 'pg_wal'))).isSymbolicLink());
  await withClient(scene.db.url, async (client) => {
    await client.query(`create tablespace in_place location ''`);
    await client.query('create table near tablespace in_place as select generate_series(1, 1000) n');
  });
  await scene.backup();
  await withClient(scene.db.url, async (client) => {
    await client.query('insert into near values (1001)');
    await scene.archiveAll(client);
  });
  const there = await started('--no-archiving');
  t.is(await there.client.value('select count(*)::int from near'), 1001);
  const path = await there.client.value<string>(`select pg_relation_filepath('near')`);
  t.regex(path, /^pg_tblspc\/\d+\/PG_/);
  const { dataDirectory } = there.cluster;
  t.true((await lstat(join(dataDirectory, 'pg_tblspc', path.split('/')[1] ?? ''))).isDirectory());
  t.true((await lstat(join(dataDirectory, 'pg_wal'))).isDirectory());
  await sentElsewhere(t, scene, join(elsewhere, 'its wal'));
});

async function sentElsewhere(t: ExecutionContext, scene: RepositoryScene, was: string): Promise<void> {
  // What is beside the backup goes there, too.
  await rm(join(scene.directory, 'wal'), { recursive: true });
  const { stdout } = await scene.restore(join(await temporaryDirectory(t), 'data'));
  const said = `pg_wal: in the data directory; the backed-up server had it at ${was}: give --wal-directory to`;
  t.true(stdout.includes(said), stdout);

  const wal = join(await scene.cluster.serverDirectory('volume'), 'new', 'wal');
  const { client, cluster } = await scene.started('--no-archiving', '--wal-directory', wal);
  t.is(await client.value('select count(*)::int from near'), 1000);
  t.is(await readlink(join(cluster.dataDirectory, 'pg_wal')), wal);
  const [is, data] = await Promise.all([stat(wal), stat(cluster.dataDirectory)]);
  t.deepEqual([is.uid, is.gid, is.mode], [data.uid, data.gid, data.mode]);
  t.true((await stat(join(wal, 'archive_status'))).isDirectory());

  const to = join(await temporaryDirectory(t), 'data');
  const taken = await scene.restore(to, '--wal-directory', wal);
  t.regex(taken.stderr, /new\/wal" is not empty\n {2}hint: give --wal-directory a new or an empty/);
  t.false(existsSync(to));
  const relative = await scene.restore(to, '--wal-directory', 'wal');
  t.regex(relative.stderr, /"wal" is not an absolute path/);
  await failing(t, scene, to);
}

/** The backup's own WAL is damaged, which comes out when pg_wal has been put in its place. */
async function failing(t: ExecutionContext, scene: RepositoryScene, to: string): Promise<void> {
  const [backup = ''] = await readdir(join(scene.directory, 'backups'));
  const own = join(scene.directory, 'backups', backup, 'pg_wal');
  for (const name of await readdir(own)) await truncate(join(own, name), 1000);
  const wal = await temporaryDirectory(t);
  const before = await stat(wal);
  const { status, stderr } = await scene.restore(to, '--wal-directory', wal, '--despite-missing-wal');
  t.is(status, 1);
  t.regex(stderr, /cannot be restored/);
  t.deepEqual(await readdir(wal), []);
  const after = await stat(wal);
  t.deepEqual([after.uid, after.gid, after.mode], [before.uid, before.gid, before.mode]);
}

/** With files of its own in the data directory, and a backup; restores leave it as it is. */
const sharedScene = shared(import.meta.url, async (t) => {
  const scene = await repositoryScene(t);
  const data = String(scene.cluster.dataDirectory);
  await writeFile(join(data, 'mine.conf'), 'x');
  await chmod(join(data, 'mine.conf'), 0o640);
  await mkdir(join(data, 'notes'), { mode: 0o750 });
  await scene.admin.query('create table kept (n int)');
  await scene.admin.query('create role replicator login replication');
  await scene.backup();
  return scene;
});

test("modes are those of the backup, and all belongs to the cluster's owner, whoever restores", async (t) => {
  const scene = onBehalfOf(t, await sharedScene());
  const data = String(scene.cluster.dataDirectory);
  const owner = await stat(data);
  const to = join(await temporaryDirectory(t), 'data');
  const before = process.umask(0o077);
  t.teardown(() => void process.umask(before));
  t.is((await scene.restore(to)).status, 0);

  for (const name of ['mine.conf', 'notes', 'base', 'global/pg_control', 'PG_VERSION', 'postgresql.conf']) {
    const [is, was] = await Promise.all([lstat(join(to, name)), lstat(join(data, name))]);
    t.deepEqual([is.mode, is.uid, is.gid], [was.mode, owner.uid, owner.gid], name);
  }
  for (const name of ['', 'recovery.signal', 'postgresql.auto.conf', 'backup_manifest', 'backup_label']) {
    const is = await lstat(join(to, name));
    t.is(is.uid, owner.uid, name);
    t.is(is.mode & 0o077, 0, name);
  }
});

test('a standby of the restored backup follows its primary', async (t) => {
  const scene = onBehalfOf(t, await sharedScene());
  const { admin, cluster, db } = scene;
  await admin.query('insert into kept values (1)');
  await scene.archiveAll();
  const standby = await scene.restored('--as-standby');
  await standby.appendSettings({ primary_conninfo: cluster.url({ user: 'replicator' }) });
  await standby.start();
  t.true(existsSync(join(standby.dataDirectory, 'standby.signal')));
  await admin.query('insert into kept values (2)');
  await withClient(standby.url({ database: db.name }), async (client) => {
    await eventually('both rows are there', () => client.value('select count(*) = 2 from kept'));
    t.true(await client.value('select pg_is_in_recovery()'));
  });
});

test('a backup restores without any archive, from the WAL beside it', async (t) => {
  const scene = await repositoryScene(t);
  await scene.admin.query('create table kept as select generate_series(1, 100) n');
  await scene.backup();
  await rm(join(scene.directory, 'wal'), { recursive: true });
  const { stderr } = await scene.restore(join(await temporaryDirectory(t), 'data'));
  t.regex(stderr, /warning: the archive has no WAL from the end of backup \d+ on: recovery ends there/);
  const { client } = await scene.started('--no-archiving');
  t.is(await client.value('select sum(n)::int from kept'), 5050);
});

test('a directory that is not empty is refused, and left as it is', async (t) => {
  const scene = onBehalfOf(t, await sharedScene());
  const to = await temporaryDirectory(t);
  await writeFile(join(to, 'mine'), 'precious');
  const { status, stderr } = await scene.restore(to);
  t.is(status, 1);
  t.regex(stderr, /is not empty\n {2}hint: restore into a new or an empty directory/);
  t.deepEqual(await readdir(to), ['mine']);
});

test('where postgresql.conf is not in the data directory, the command to start it says both', async (t) => {
  const scene = await repositoryScene(t);
  await rm(join(String(scene.cluster.dataDirectory), 'postgresql.conf'));
  await scene.backup();
  const to = join(await temporaryDirectory(t), 'data');
  const { stdout } = await scene.restore(to);
  t.regex(stdout, /-o "-p \d+ -c config_file=FILE /);
  t.true(stdout.includes(` -D ${to} `) && stdout.includes(` -c data_directory=${to} -c external_pid_file=`));
});

test('an interrupted restore leaves nothing that starts, and the next one says what to do', async (t) => {
  const scene = await repositoryScene(t);
  await scene.admin.query('create table big as select g n, md5(g::text) t from generate_series(1, 400000) g');
  await scene.backup();
  const to = join(await temporaryDirectory(t), 'data');
  const args = ['restore', '--repository', scene.repository, '--to', to, '--jobs', '1'];
  const restoring = await startHoldfast(t, args);
  await eventually('it has begun', () => existsSync(join(to, 'holdfast-restore-unfinished')));
  restoring.kill('SIGKILL');
  await restoring.exited;
  t.false(existsSync(join(to, 'global/pg_control')));
  const again = await scene.restore(to);
  t.is(again.status, 1);
  t.regex(
    again.stderr,
    /is not empty\n {2}hint: make sure that no restore runs there; .* a restore to it was interrupted/,
  );
});

test('a hole in the WAL is refused where it is in the way, unless told otherwise', async (t) => {
  const scene = await repositoryScene(t);
  const { admin, archiveAll, backup, directory } = scene;
  await admin.query('create table kept (n int)');
  await backup();
  await admin.query('insert into kept values (1)');
  const early = await admin.value<string>('select pg_current_wal_lsn()::text');
  await archiveAll();
  await admin.query('insert into kept values (2)');
  const lost = await admin.value<string>('select pg_walfile_name(pg_current_wal_lsn())');
  await archiveAll();
  await admin.query('insert into kept values (3)');
  await archiveAll();
  await rm(archivedPath(directory, lost));

  const refused = await scene.restore(join(await temporaryDirectory(t), 'data'));
  t.is(refused.status, 1);
  t.regex(refused.stderr, new RegExp(`${lost} is missing in the archive: recovery would end there`));
  const before = await scene.started('--no-archiving', '--target-lsn', early, '--target-action', 'promote');
  t.is(await before.client.value('select array_agg(n)::text from kept'), '{1}');
  const forced = await scene.started('--no-archiving', '--despite-missing-wal');
  t.is(await forced.client.value('select array_agg(n)::text from kept'), '{1}');
});

test('another version is refused where it can be told', async (t) => {
  const scene = onBehalfOf(t, await sharedScene());
  const to = join(await temporaryDirectory(t), 'postgresql', '99', 'main');
  const byName = await scene.restore(to);
  t.is(byName.status, 1);
  t.regex(
    byName.stderr,
    /is of PostgreSQL \d+, and ".*\/99\/main" is for PostgreSQL 99\n {2}hint: restore on a host with PostgreSQL/,
  );
  t.false(existsSync(to));
  await unusableServer(t, scene, to);
});

async function unusableServer(t: ExecutionContext, scene: RepositoryScene, to: string): Promise<void> {
  const programs = await temporaryDirectory(t);
  await chmod(programs, 0o755);
  await writeFile(join(programs, 'postgres'), '#!/bin/sh\necho "postgres (PostgreSQL) 11.22"\n', {
    mode: 0o755,
  });
  const byProgram = await scene.restore(to, '--pg-bin', programs);
  t.is(byProgram.status, 1);
  t.regex(byProgram.stderr, /is for PostgreSQL 11/);
  await writeFile(
    join(programs, 'postgres'),
    `#!/bin/sh\necho "postgres (PostgreSQL) ${scene.cluster.version}.1"\n`,
  );
  t.is((await scene.restore(to, '--pg-bin', programs)).status, 0);
  t.regex(
    await readFile(join(to, 'postgresql.auto.conf'), 'utf8'),
    /restore_command = '.*holdfast-wal fetch "%f" "%p"'/,
  );
}
