// The settings of a restored server: what it needs on the way, and what is left of them once recovery is over.
import { appendFileSync, existsSync } from 'node:fs';
import { appendFile, chmod, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createCluster, type Major } from '../../dev/embedded/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { holdfast } from '../support/process.ts';
import { noRestore } from '../support/restored-copy.ts';
import { repositoryScene } from '../support/repository-scene.ts';
import { connect, withClient } from '../support/sql-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore).serial;
const tested = Number(process.env['TEST_PG_VERSION'] ?? 18);
const kept = 'select array_agg(n order by n)::text from kept';
/** What the old cluster has in postgresql.conf: for its own standbys, and from a restore of its own. */
const ofOld = {
  restore_command: 'touch old-ran && false',
  archive_cleanup_command: 'touch old-ran',
  recovery_end_command: 'touch old-ran',
  recovery_target_name: 'then',
};

test('a restored server recovers past settings that were raised since, runs nothing of the old one, and forgets its target', async (t) => {
  const scene = await repositoryScene(t, { settings: ofOld });
  const { admin, archiveAll, backup, cluster, now, repository, restored, started } = scene;
  await admin.query('create table kept (n int)');
  await eventually('the worker has seen what a restore has left', async () => {
    const [left] = await admin.query(`select recovery_settings from holdfast.cluster where name = 'main'`);
    return String(left?.['recovery_settings']) === 'recovery_target_name';
  });
  const stored = await backup();
  await cluster.configure({
    max_connections: '170',
    max_worker_processes: '13',
    max_prepared_transactions: '7',
  });
  const again = await connect(t, scene.db.url);
  await again.query('insert into kept values (1)');
  await again.query(`begin`);
  await again.query('insert into kept values (2)');
  await again.query(`prepare transaction 'two'`);
  await again.query(`commit prepared 'two'`);
  const target = await now(again);
  await again.query('insert into kept values (3)');
  await archiveAll(again);

  // As a copy that another tool has restored, whose hot standby would pause.
  const { dataDirectory } = await restored('--no-archiving');
  const place = ['place', stored.directory, '--data-directory', dataDirectory, '--repository', repository];
  const settings = async () =>
    (JSON.parse((await holdfast([...place, '--json'])).stdout) as { settings: object }).settings;
  t.deepEqual(await settings(), {}, 'hot_standby is off');
  await appendFile(join(dataDirectory, 'postgresql.auto.conf'), 'hot_standby = on\n');
  t.deepEqual(await settings(), { max_connections: '170', max_worker_processes: '13' });
  t.regex((await holdfast(place)).stdout, /^ {2}max_connections = 170 or more in its configuration/m);
  const ofOldToo = `archive_cleanup_command = 'clean /archive %r'\nrecovery_end_command = 'touch "old-ran"'\n`;
  await appendFile(join(dataDirectory, 'postgresql.auto.conf'), ofOldToo);
  t.is((await holdfast([...place, '--stop-before', 'F/0'])).status, 0);
  const placed = await readFile(join(dataDirectory, 'postgresql.auto.conf'), 'utf8');
  t.regex(placed, /^max_connections = '170'$/m);
  t.regex(
    placed,
    /^archive_cleanup_command = ''$/m,
    'it would remove WAL from the archive of the old server',
  );
  t.regex(placed, /^recovery_end_command = '.* recovered \|\| true'$/m, 'takes the target out');
  t.notRegex(placed, /^recovery_end_command = 'touch/m);

  const latest = await started('--no-archiving');
  t.is(await latest.client.value(kept), '{1,2,3}');
  await latest.cluster.stop('immediate');

  const paused = await started(
    '--target-time',
    target,
    '--target-action',
    'pause',
    '--target-timeline',
    '1',
    '--no-archiving',
  );
  await eventually('it has paused', () => paused.client.value('select pg_is_wal_replay_paused()'));
  t.is(await paused.client.value(kept), '{1,2}');
  t.is(await paused.client.value('show max_connections'), '170');
  const file = join(paused.cluster.dataDirectory, 'postgresql.auto.conf');
  t.regex(await readFile(file, 'utf8'), /^recovery_target_time = '.+'$/m);
  // It writes the file anew, without our comments.
  await paused.client.query(`alter system set work_mem = '5MB'`);
  await paused.client.query('select pg_wal_replay_resume()');
  await eventually('it is a primary', () => paused.client.value('select not pg_is_in_recovery()'));
  const after = await readFile(file, 'utf8');
  t.notRegex(after, /^recovery_target(_\w+)? = '(?!(latest)?')/m);
  t.regex(after, /^work_mem = '5MB'$/m);
  t.regex(after, /^archive_mode = 'off'$/m);
  await eventually('the server has read it', () =>
    paused.client.value(
      `select pending_restart from pg_settings where name = 'recovery_target_time' and setting <> ''`,
    ),
  );
  await paused.cluster.restart();
  t.false((await readdir(paused.cluster.dataDirectory)).includes('old-ran'));
});

test('the printed commands start a copy beside the old server, which keeps its files, and open it at its target', async (t) => {
  const shared = await temporaryDirectory(t);
  await chmod(shared, 0o777);
  const ofServer = {
    external_pid_file: join(shared, 'old.pid'),
    logging_collector: 'on',
    log_directory: join(shared, 'log'),
    ...(tested < 15 ? { stats_temp_directory: shared } : {}),
  };
  const { admin, archiveAll, backup, cluster, db, restore } = await repositoryScene(t, {
    settings: ofServer,
  });
  // It would have the old server started with -D of another directory, too.
  const old = String(cluster.dataDirectory);
  appendFileSync(join(old, 'postgresql.conf'), `data_directory = '${old}'\n`);
  await admin.query('create table kept as select 1 n');
  await backup();
  await admin.query('insert into kept values (2)');
  const lsn = await admin.value<string>('select pg_current_wal_lsn()::text');
  await admin.query('insert into kept values (3)');
  await archiveAll();
  const files = async () => [
    await readFile(join(shared, 'old.pid'), 'utf8'),
    await readdir(join(shared, 'log')),
  ];
  const before = await files();

  const copy = await createCluster({ version: cluster.version as Major, empty: true });
  t.teardown(() => copy.remove());
  const target = ['--target-lsn', lsn, '--target-action', 'shutdown', '--no-archiving'];
  const programs = ['--pg-bin', dirname(copy.bin('pg_ctl'))];
  const { status, stdout, stderr } = await restore(copy.dataDirectory, ...target, ...programs);
  t.is(status, 0, stderr);
  const [first = '', second = ''] = stdout.match(/\S*pg_ctl\S* start .*/g) ?? [];
  t.regex(stdout, /control database is in it: .* until "holdfast adopt"/);
  const run = (command: string) =>
    copy.asServerUser.run('sh', ['-c', `${command} > "${copy.archiveDirectory}/out" 2>&1 || true`]);
  t.teardown(() => run(`${copy.bin('pg_ctl')} stop -m immediate -D ${copy.dataDirectory}`));
  await run(first);
  await eventually('it has shut down', () => !existsSync(join(copy.dataDirectory, 'postmaster.pid')));
  await run(second);
  const [, port = ''] = /-p (\d+) /.exec(second) ?? [];
  t.not(port, new URL(db.url).port);
  const url = `postgres://postgres@localhost:${port}/${db.name}`;
  const reached = () => withClient(url, (client) => client.value(kept)).catch(() => undefined);
  await eventually('it is open at its target', async () => (await reached()) === '{1,2}');
  const timeline = 'select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)';
  t.is(await withClient(url, (client) => client.value(timeline)), '00000002');
  const subscribers = `select current_setting('max_logical_replication_workers')`;
  t.is(
    await withClient(url, (client) => client.value(subscribers)),
    '0',
    "none takes the old server's changes",
  );
  t.deepEqual(await files(), before);
  await run(`${copy.bin('pg_ctl')} stop -m fast -w -D ${copy.dataDirectory}`);
  t.deepEqual(await files(), before);
  const names = await readdir(copy.dataDirectory);
  t.true(names.includes('restore.log') && names.includes('log') && !names.includes('external.pid'));
});

test('the printed command starts the copy, and not the server that was backed up, where data_directory is configured', async (t) => {
  const { admin, archiveAll, backup, cluster, restore } = await repositoryScene(t);
  const data = String(cluster.dataDirectory);
  await appendFile(join(data, 'postgresql.conf'), `\ndata_directory = '${data}'\n`);
  await backup();
  await admin.query('create table later ()');
  await archiveAll();
  const copy = await createCluster({ version: cluster.version as Major, empty: true });
  t.teardown(() => copy.remove());
  const { status, stdout, stderr } = await restore(
    copy.dataDirectory,
    '--no-archiving',
    '--pg-bin',
    dirname(copy.bin('pg_ctl')),
  );
  t.is(status, 0, stderr);
  const run = (command: string) =>
    copy.asServerUser.run('sh', ['-c', `${command} > "${copy.archiveDirectory}/out" 2>&1 || true`]);
  t.teardown(() => run(`${copy.bin('pg_ctl')} stop -m immediate -D ${copy.dataDirectory}`));
  await cluster.stop('fast');
  const [command = ''] = stdout.match(/\S*pg_ctl\S* start .*/g) ?? [];
  await run(command);
  const [, port = ''] = /-p (\d+) /.exec(command) ?? [];
  const url = `postgres://postgres@localhost:${port}/postgres`;
  const reached = () =>
    withClient(url, (client) => client.value<string>('show data_directory')).catch(() => '');
  await eventually('it is open', async () => (await reached()) !== '');
  t.is(await reached(), copy.dataDirectory);
  t.false(existsSync(join(data, 'postmaster.pid')));
  await run(`${copy.bin('pg_ctl')} stop -m fast -w -D ${copy.dataDirectory}`);
  // For what the scene takes down.
  await cluster.start();
});

test('a restored standby does not take the slot that the old server had as a standby', async (t) => {
  const { admin, archiveAll, backup, db, restored } = await repositoryScene(t);
  const { port } = new URL(db.url);
  const conninfo = `host=localhost port=${port} user=postgres`;
  await admin.query(`alter system set primary_slot_name = 'node_b'`);
  await admin.query(`alter system set primary_conninfo = '${conninfo} application_name=node_b'`);
  await backup();
  await admin.query(`select pg_create_physical_replication_slot('node_b', true)`);
  await archiveAll();
  const standby = await restored('--as-standby', '--no-archiving');
  await standby.appendSettings({ primary_conninfo: conninfo });
  await standby.start();
  await eventually('it streams', () => admin.value('select exists (select from pg_stat_replication)'));
  const slots = 'select slot_name, active from pg_replication_slots';
  t.deepEqual(await admin.query(slots), [{ slot_name: 'node_b', active: false }]);
});
