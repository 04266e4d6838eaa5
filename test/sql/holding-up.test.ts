// No requester can hold up another's backup: whatever he locks, and for however long he keeps his transaction open.
import test, { type ExecutionContext } from 'ava';
import { noOwnCluster, ownCluster, type TestCluster } from '../support/cluster.ts';
import { asRole, installedDatabase, type InstalledDatabase } from '../support/installed-database.ts';
import { playWorker, type PlayedWorker } from '../support/played-worker.ts';
import { finish, request, requestIn, stateOf } from '../support/requests.ts';
import type { SqlClient } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const active = `(cluster, label) where state in ('requested', 'starting', 'running', 'done')`;
const insertOverNightly = `insert into holdfast.backup_request as r (label) values ('nightly') on conflict ${active}`;

/** What the one does inside a transaction that he then leaves open; $ID is the other's request. */
const attacks = {
  'SELECT … FOR UPDATE': 'select * from holdfast.backup_request for update',
  'SELECT … FOR SHARE': 'select * from holdfast.backup_request for share',
  'SELECT … FOR KEY SHARE': 'select * from holdfast.backup_request where id = $ID for key share',
  'SELECT … FOR UPDATE through the view': 'select * from holdfast.backup_status for update',
  'a cursor FOR UPDATE':
    'declare c cursor for select * from holdfast.backup_request for update; fetch all from c',
  'an UPDATE of everything': `update holdfast.backup_request set state = 'cancelled'`,
  'an UPDATE that changes nothing': 'update holdfast.backup_request set state = state where id = $ID',
  'INSERT … ON CONFLICT DO UPDATE': `${insertOverNightly} do update set state = 'cancelled'`,
  'INSERT … ON CONFLICT DO UPDATE that updates nothing': `${insertOverNightly} do update set state = 'done'
    where r.state = 'never'`,
  'INSERT … ON CONFLICT DO NOTHING': `${insertOverNightly} do nothing`,
  'an INSERT of the same label in a subtransaction': `savepoint s; insert into holdfast.backup_request (label) values ('nightly')`,
  'locks on what the request refers to': 'select * from holdfast.cluster for key share',
  'a lock on the worker': 'select * from holdfast.worker for update',
  'a lock on the session': 'select * from holdfast.backup_session for update',
  'the worker’s advisory lock': 'select pg_try_advisory_xact_lock_shared(lock_key) from holdfast.worker',
  ...Object.fromEntries(
    ['row share', 'row exclusive', 'share', 'share row exclusive', 'exclusive', 'access exclusive'].map(
      (mode) => [`LOCK TABLE in ${mode} mode`, `lock table holdfast.backup_request in ${mode} mode`],
    ),
  ),
  'LOCK TABLE on the view': 'lock table holdfast.backup_status in exclusive mode',
};

const merge = `merge into holdfast.backup_request r using (values (1)) v on r.id = $ID
  when matched and r.state = 'never' then update set state = 'cancelled' when matched then do nothing`;

const everyAttack = Object.entries({ ...attacks, 'MERGE (15 and later)': merge });

test('another’s request goes through, whatever is held', async (t) => {
  const { victim, attacker, worker } = await setUp(t);
  for (const [what, attack] of everyAttack) {
    const id = await request(victim, { label: 'nightly' });
    await attacker.query('begin');
    await attempt(t, attacker, attack.replaceAll('$ID', id));
    await worker.run(id);
    await goesThrough(t, id, victim, worker, what);
    await attacker.query('rollback');
  }
});

test('another’s running backup goes through, whatever is held', async (t) => {
  const { victim, attacker, worker } = await setUp(t);
  for (const [what, attack] of everyAttack) {
    const id = await request(victim, { label: 'nightly' });
    await worker.run(id);
    await attacker.query('begin');
    await attempt(t, attacker, attack.replaceAll('$ID', id));
    await goesThrough(t, id, victim, worker, what);
    await attacker.query('rollback');
  }
});

test('prune passes over a row that its requester keeps locked', async (t) => {
  const { db, victim, attacker, worker } = await setUp(t);
  const kept = await requestIn('cancelled', attacker, worker);
  await requestIn('cancelled', victim, worker);
  await attacker.query('begin');
  await attacker.query('select from holdfast.backup_request where id = $1 for update', [kept]);

  const operator = await asRole(t, db, 'operator');
  await operator.query(`set lock_timeout = '2s'`);
  t.is(await operator.value(`select holdfast.prune('0')::int`), 1);
});

test('what is written of a backup that is over goes through while its requester keeps its row locked', async (t) => {
  const { db, attacker, worker } = await setUp(t);
  const id = await requestIn('complete', attacker, worker);
  await attacker.query('begin');
  await attacker.query('select from holdfast.backup_request where id = $1 for update', [id]);

  const files = `'main', 'b', now(), now(), true`;
  await t.notThrowsAsync(
    worker.client.query(`insert into holdfast.backup_verification
      (request_id, cluster, backup, started_at, finished_at, ok, files, bytes, segments)
      values (${id}, ${files}, 1, 1, 1)`),
  );
  await t.notThrowsAsync(
    worker.client.query(`insert into holdfast.backup_drill
      (request_id, cluster, backup, worker, started_at, finished_at, ok, target, error_code, error)
      values (${id}, 'main', 'b', 'w', now(), now(), false, 'latest', 'x', 'y')`),
  );
  const operator = await asRole(t, db, 'operator');
  await t.throwsAsync(
    operator.query(`insert into holdfast.legal_hold (request_id, reason) values (${id}, 'suit')`),
    { code: '55P03', message: `backup request ${id} is kept locked by another session` },
  );
  await attacker.query('rollback');

  await t.notThrowsAsync(operator.query(`select holdfast.prune('0')`));
  await requestIn('complete', attacker, worker);
  await operator.query(`select holdfast.prune('0')`);
  for (const history of ['backup_verification', 'backup_drill'])
    t.is(await operator.value(`select count(*)::int from holdfast.${history}`), 0, history);
});

test('requests that a stranger’s transaction has not committed hold up nobody', async (t) => {
  const { victim, attacker, worker } = await setUp(t);
  await attacker.query('begin');
  await attacker.query(
    'insert into holdfast.backup_request (label) select n::text from generate_series(1, 100) n',
  );
  const id = await request(victim);
  await worker.run(id);
  await goesThrough(t, id, victim, worker, 'a hundred requests that nobody sees yet');
});

testWhen(noOwnCluster)(
  'a prepared transaction can hold neither a new request nor anybody else’s',
  async (t) => {
    const cluster = await ownCluster(t, { settings: { max_prepared_transactions: '5' }, installed: true });
    const { db, victim, attacker, worker } = await setUp(t, cluster);
    const prepare = async (statement: string) => {
      await attacker.query('begin');
      await attacker.query(statement);
      await attacker.query(`prepare transaction 'for ever'`);
    };
    await t.throwsAsync(prepare(`insert into holdfast.backup_request (label) values ('nightly')`), {
      message: /cannot PREPARE a transaction that has executed LISTEN, UNLISTEN,? or NOTIFY/i,
    });
    await requestIn('cancelled', attacker, worker);
    const id = await request(victim, { label: 'nightly' });
    await prepare('select * from holdfast.backup_request for update');

    await worker.run(id);
    await goesThrough(t, id, victim, worker, 'a prepared transaction');
    const operator = await asRole(t, db, 'operator');
    await operator.query(`set lock_timeout = '2s'`);
    await t.notThrowsAsync(operator.query(`select holdfast.prune('0')`));
    await attacker.query(`rollback prepared 'for ever'`);
  },
);

interface Stage {
  db: InstalledDatabase;
  victim: SqlClient;
  attacker: SqlClient;
  worker: PlayedWorker;
}

async function setUp(t: ExecutionContext, cluster?: TestCluster): Promise<Stage> {
  const db = await installedDatabase(t, cluster);
  const worker = await playWorker(t, db);
  const [victim, attacker] = [await asRole(t, db, 'requester'), await asRole(t, db, 'requester')];
  for (const client of [victim, worker.client]) await client.query(`set lock_timeout = '2s'`);
  return { db, victim, attacker, worker };
}

/** Refused or not, both are fine; a mistake in the statement is not. */
async function attempt(t: ExecutionContext, attacker: SqlClient, statement: string): Promise<void> {
  const refusals = ['42501', '23505', '55P03', '0A000', ...(statement.startsWith('merge') ? ['42601'] : [])];
  await attacker.query(statement).catch(({ code, message }) => {
    t.true(refusals.includes(code), `${statement}: ${code} ${message}`);
  });
}

/** From running to complete. */
async function goesThrough(
  t: ExecutionContext,
  id: string,
  requester: SqlClient,
  worker: PlayedWorker,
  what: string,
): Promise<void> {
  await t.notThrowsAsync(finish(requester, id), `finish: ${what}`);
  await t.notThrowsAsync(worker.move(id, 'archiving'), `stop: ${what}`);
  await t.notThrowsAsync(worker.move(id, 'complete'), `complete: ${what}`);
  t.is(await stateOf(requester, id), 'complete', what);
}
