// What a drill starts reaches nobody, is reached by nobody and does nothing by itself, whatever the cluster had set up;
// and what makes other recoveries fail does not make this one fail.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { assertions, dataIn, drills, problemsOf } from '../support/drills.ts';
import { eventually } from '../support/eventually.ts';
import { noRestore } from '../support/restored-copy.ts';
import { onBehalfOf, repositoryScene } from '../support/repository-scene.ts';
import { shared } from '../support/shared.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore).serial;

/** Held against what PostgreSQL itself says there. */
const secluded = {
  'no address to connect to': `select current_setting('listen_addresses') = ''`,
  'the socket is in a private directory': `select current_setting('unix_socket_directories') like '%/holdfast-drill-%/s"'`,
  'nothing is archived': `select current_setting('archive_mode') = 'off'`,
  'nothing is streamed': `select current_setting('max_wal_senders') = '0'`,
  'no worker of anybody runs': `select not exists (select from pg_stat_activity
    where backend_type ~ 'background worker|logical|replication|walsender|autovacuum|parallel|pg_cron' or backend_type is null)`,
  'nothing is preloaded': `select current_setting('shared_preload_libraries') = '' and current_setting('session_preload_libraries') = ''`,
  'little memory': `select pg_size_bytes(current_setting('shared_buffers')) = 128 * 1024 * 1024`,
  'our own rules of who may connect': `select current_setting('hba_file') like '%/holdfast-drill-%/pg_hba.conf'`,
  'only we are there': `select bool_and(application_name = 'holdfast drill') from pg_stat_activity
    where backend_type = 'client backend'`,
  'everything has been recovered': `select not pg_is_in_recovery()`,
};

/** By when they fire: in sessions at work, in all, in those that replicate. */
const eventTriggers = ['usually', 'always', 'replica'];

test('a private server has no way in or out, and runs nothing of what the cluster had set up', async (t) => {
  const settings = { wal_level: 'logical', max_prepared_transactions: '20', max_connections: '400' };
  const scene = await repositoryScene(t, { settings });
  const { admin, db } = scene;
  // For its next start, and in force for whoever starts on a copy of its files.
  await admin.query(`alter system set shared_preload_libraries = 'there_is_no_such_library'`);
  await admin.query(`alter system set max_worker_processes = 30`);
  await admin.query('create table kept (n int primary key)');
  await admin.query('create table locked (n int primary key)');
  await admin.query(`create subscription far connection 'host=127.0.0.1 port=1 dbname=x' publication p
    with (connect = false, slot_name = none, enabled = false)`);
  await admin.query(`create function refuse() returns event_trigger language plpgsql
    as $$ begin raise exception 'no changes here'; end $$`);
  for (const firing of eventTriggers) {
    await admin.query(`create event trigger ${firing} on ddl_command_start execute function refuse()`);
    await admin.query(`alter event trigger ${firing} enable ${firing === 'usually' ? '' : firing}`);
  }
  await admin.query(`alter database postgres set session_preload_libraries = 'there_is_no_such_library'`);
  await admin.query(`alter database ${db.name} set search_path = 'nowhere'`);
  await scene.backup();
  // What replay has to have room for: prepared transactions and the origins of replicated ones.
  await admin.query('begin');
  await admin.query('insert into kept values (1)');
  await admin.query('lock table locked');
  await admin.query(`prepare transaction 'pending'`);
  await admin.query(`select pg_replication_origin_create('far_' || g) from generate_series(1, 5) g`);
  await admin.query(`select pg_replication_origin_session_setup('far_1')`);
  await admin.query('insert into kept values (2)');
  await admin.query('select pg_replication_origin_session_reset()');
  await scene.archiveAll();

  const drill = await drills(t, scene);
  const file = await assertions(t, db.name, {
    ...secluded,
    'the pending transaction is there': 'select count(*) = 1 from pg_prepared_xacts',
    'what was committed is there': 'select array_agg(n) = array[2] from public.kept',
    'a template is looked at as well': `select datallowconn from pg_database where datname = 'template0'`,
    'paths are as they were for anybody': `select current_setting('search_path') = 'nowhere'`,
  });
  const { status, result, stderr } = await drill.run('--assertions', file);
  t.is(status, 0, JSON.stringify([problemsOf(result), result.error, stderr]));
  t.true(result.checks.some(({ check, database }) => check === 'amcheck' && database === 'template0'));
  const amcheck = result.checks.find(({ check, database }) => check === 'amcheck' && database === db.name);
  t.regex(String(amcheck?.detail), /; 2 not checked: a prepared transaction has them locked$/);
  t.is(await admin.value(`select count(*)::int from pg_prepared_xacts`), 1);
  await admin.query(`rollback prepared 'pending'`);
  for (const firing of eventTriggers) await admin.query(`drop event trigger ${firing}`);
});

/** With a backup that lets nobody into postgres and template1, and more rows in the archive, up to a restore point. */
const sharedScene = shared(import.meta.url, async (t) => {
  const scene = await repositoryScene(t);
  const { admin, cluster } = scene;
  const place = await cluster.serverDirectory('fast disk');
  await admin.query(`create tablespace fast location '${place}'`);
  await admin.query('create table far tablespace fast as select generate_series(1, 1000) n');
  await admin.query('create table kept (n int)');
  await admin.query('insert into kept values (1)');
  const admit = async (allowed: boolean) => {
    for (const name of ['postgres', 'template1'])
      await admin.query(`alter database ${name} allow_connections ${allowed}`);
  };
  await admit(false);
  await scene.backup();
  await admit(true);
  await admin.query('insert into kept values (2)');
  const second = Date.parse(await scene.now());
  const between = await eventually('a millisecond has passed', async () => {
    const now = await scene.now();
    return Date.parse(now) > second ? now : undefined;
  });
  await admin.query('insert into kept values (3)');
  await admin.query(`select pg_create_restore_point('three')`);
  await admin.query('insert into kept values (4)');
  await scene.archiveAll();
  return { ...scene, place, between };
});

test('tablespaces are restored beside the data, and the ones at work are not touched', async (t) => {
  const scene = onBehalfOf(t, await sharedScene());
  const { place } = scene;
  const before = await readdir(place);
  const drill = await drills(t, scene);
  const file = await assertions(t, scene.db.name, {
    'its rows are there': 'select count(*) = 1000 from far',
    'it is in the drill': `select pg_tablespace_location(oid) like '%/holdfast-drill-%/t/%' from pg_tablespace where spcname = 'fast'`,
  });
  const { status, result } = await drill.run('--assertions', file);
  t.is(status, 0, JSON.stringify([problemsOf(result), result.error]));
  t.deepEqual(await readdir(place), before);
  t.is(await scene.admin.value('select count(*)::int from far'), 1000);
  t.deepEqual(await drill.left(), []);
});

test('a drill goes to a target, and says how far it came; one that is out of reach fails', async (t) => {
  const scene = onBehalfOf(t, await sharedScene());
  const { between, db } = scene;
  const drill = await drills(t, scene);
  const count = async (n: number) =>
    assertions(t, db.name, { [`${n} rows`]: `select count(*) = ${n} from kept` });

  const immediate = await drill.run('--target-immediate', '--assertions', await count(1));
  t.is(immediate.status, 0, JSON.stringify(immediate.result.error));
  const time = await drill.run('1', '--target-time', between, '--assertions', await count(2));
  t.is(time.status, 0, JSON.stringify(time.result.error));
  t.is(time.result.target, `time ${between}`);
  t.true(Date.parse(String(time.result.last_transaction_at)) < Date.parse(between));
  const point = await drill.run('--target-name', 'three', '--assertions', await count(3));
  t.is(point.status, 0, JSON.stringify(point.result.error));
  t.is((await drill.run('--assertions', await count(4))).status, 0);
  const never = await drill.run('--target-name', 'never');
  t.is(never.status, 1);
  t.is(never.result.error?.code, 'target_not_reached');
  const unknown = await drill.run('17');
  t.is(unknown.result.error?.code, 'no_such_backup');
});

test('a drill needs no certain database to let it in', async (t) => {
  const scene = onBehalfOf(t, await sharedScene());
  const drill = await drills(t, scene);
  const { status, result } = await drill.run('--target-immediate');
  t.is(status, 0, JSON.stringify([problemsOf(result), result.error]));
  t.true(result.checks.some(({ check, database }) => check === 'amcheck' && database === 'template1'));
});

test('while a drill runs, its files and its socket are for nobody but the server', async (t) => {
  const scene = onBehalfOf(t, await sharedScene());
  const drill = await drills(t, scene);
  const file = await assertions(t, 'postgres', { 'it waits': 'select pg_sleep(1000) is null' });
  const running = await drill.start('--assertions', file);
  await running.untilLine(/^checking assertion/);
  const [name = ''] = await drill.left();
  const owner = await stat(String(scene.cluster.dataDirectory));
  for (const path of [
    join(drill.directory, name),
    join(drill.directory, name, 's'),
    dataIn(drill.directory, name),
  ]) {
    const { mode, uid } = await stat(path);
    t.is(mode & 0o777, 0o700, path);
    t.is(uid, owner.uid, path);
  }
  running.kill('SIGTERM');
  t.is((await running.exited).status, 1);
  t.deepEqual(await drill.left(), []);
});
