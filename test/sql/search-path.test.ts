// Nobody can slip an object of his own under the names that Holdfast uses, neither when it is installed nor when it runs.
import test, { type ExecutionContext } from 'ava';
import { schemaVersion } from '../../src/control/schema-version.ts';
import { freshDatabase, sharedCluster } from '../support/cluster.ts';
import { installInto } from '../../dev/harness/install-into.ts';
import { asRole, installedDatabase } from '../support/installed-database.ts';
import { letWork, playWorker } from '../support/played-worker.ts';
import { noPsql, psql } from '../support/psql.ts';
import { requestIn } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';
import { layTraps } from '../support/traps.ts';

const script = new URL('../../sql/install.sql', import.meta.url).pathname;

test('a superuser who calls the procedures springs no trap of his search_path', async (t) => {
  const db = await installedDatabase(t);
  const superuser = await connect(t, db.url);
  await layTraps(superuser, 'public_like', (await asRole(t, db, 'requester')).role);
  letWork(t, await playWorker(t, db));

  await superuser.query('set search_path = public_like, public');
  await t.throwsAsync(superuser.query(`select 1.5::double precision * 2::numeric`), { message: /trapped/ });
  const id = await superuser.value<string>(`call holdfast.start_backup('nightly', timeout => '1 min')`);
  await superuser.query(`call holdfast.wait_for_backup(${id}, 'running', timeout => '1 min')`);
  t.is(await superuser.value(`call holdfast.stop_backup('nightly', timeout => '1 min')`), id);
  const other = await superuser.value<string>('call holdfast.start_backup()');
  t.is(await superuser.value(`call holdfast.cancel_backup(${other}, timeout => '1.5 s')`), other);
  await t.throwsAsync(superuser.query(`call holdfast.wait_for_backup(${id}, 'bogus')`), { code: '22023' });
  await superuser.query('select * from holdfast.backup_status, holdfast.worker_status');
  t.is(await superuser.value(`select holdfast.prune('1 day')`), '0');
});

test('tables and functions of the session’s own, with the names that are used here, change nothing', async (t) => {
  const db = await installedDatabase(t);
  const worker = await playWorker(t, db);
  const requester = await asRole(t, db, 'requester');
  await requester.query(`
    create temp table worker as select * from holdfast.worker;
    create temp table setting as select true as only_row, 1000000 as max_requested;
    create temp table state_transition as select 'requested' as from_state, 'complete' as to_state, 'client' as mover;
    create temp table backup_request (like holdfast.backup_request);
    create temp table backup_session (like holdfast.backup_session);
    create function pg_temp.worker_here() returns holdfast.worker language sql as 'select w from holdfast.worker w limit 1';
    create function pg_temp.lock_is_held(oid, bigint, integer) returns boolean language sql as 'select true';
    create function pg_temp.worker_lock_is_held(bigint, integer) returns boolean language sql as 'select true';
    create function pg_temp.lock_holder(oid, bigint, integer) returns oid language sql as 'select 10::oid';
    create function pg_temp.pg_has_role(name, text, text) returns boolean language sql as 'select true';
    create function pg_temp.check_label_text(text) returns void language sql as '';
    set search_path = pg_temp, pg_catalog`);

  const other = await asRole(t, db, 'requester');
  const theirs = await requestIn('running', other, worker);
  const mine = await requestIn('requested', requester, worker);
  const move = (id: string, to: string) =>
    requester.query(`update holdfast.backup_request set state = '${to}' where id = ${id} returning id`);
  await t.throwsAsync(move(mine, 'complete'), { code: 'HF001' });
  await t.throwsAsync(move(mine, 'starting'), { code: 'HF001' });
  t.deepEqual(await move(theirs, 'cancelled'), []);
  await t.throwsAsync(requester.query(`insert into holdfast.backup_request (label) values (E'a\\nb')`), {
    code: '23514',
  });
});

const installers: Record<string, (url: string) => Promise<unknown>> = {
  'the program': (url) => installInto(url),
  psql: (url) => psql(url, ['-f', script]),
};
for (const [who, install] of Object.entries(installers)) {
  testWhen(who === 'psql' ? noPsql : undefined)(
    `what ${who} installs depends on nothing of the installing role’s search_path`,
    async (t) => {
      const url = await trappedDatabase(t);
      await install(url);
      const client = await connect(t, url);
      t.is(
        await client.value(`select count(*)::int from holdfast.migration`),
        schemaVersion(),
        'it is installed',
      );
      const foreign = await client.query(
        `select pg_describe_object(classid, objid, objsubid), pg_describe_object(refclassid, refobjid, 0) as uses
         from pg_depend
         where refclassid = 'pg_operator'::regclass
           and refobjid in (select oid from pg_operator where oprnamespace = 'traps'::regnamespace)
           and classid <> 'pg_operator'::regclass`,
      );
      t.deepEqual(foreign, []);
    },
  );
}

/** With the traps in everybody's search_path, as in the public schema up to 14. */
async function trappedDatabase(t: ExecutionContext): Promise<string> {
  const database = { ...(await freshDatabase(t)), cluster: await sharedCluster() };
  const owner = await asRole(t, database);
  const superuser = await connect(t, database.url);
  await layTraps(superuser, 'traps', owner.role);
  await superuser.query(`alter database ${database.name} set search_path = traps, public`);
  return database.url;
}
