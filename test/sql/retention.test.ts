// What may be written into retention_policy and legal_hold, by whom, and with which words it is refused.
import test, { type ExecutionContext } from 'ava';
import { beginExpiry, fullLockWait } from '../../src/control/retention-rows.ts';
import { Connection } from '../../src/database/connection.ts';
import { asRole, installedDatabase } from '../support/installed-database.ts';
import { playWorker } from '../support/played-worker.ts';
import { requestIn } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';

async function setup(t: ExecutionContext) {
  const db = await installedDatabase(t);
  const admin = await connect(t, db.url);
  const operator = await asRole(t, db, 'operator');
  return { db, admin, operator };
}

/** A complete backup of the operator's. */
async function backedUp(t: ExecutionContext) {
  const it = await setup(t);
  const worker = await playWorker(t, it.db);
  return { ...it, worker, id: await requestIn('complete', it.operator, worker) };
}

test('a policy is stamped with who wrote it, and who writes does not say so himself', async (t) => {
  const { operator } = await setup(t);
  await operator.query(`insert into holdfast.retention_policy (cluster, keep_last) values ('main', 3)`);
  const written = () =>
    operator.query('select changed_by, changed_login, keep_last from holdfast.retention_policy');
  t.deepEqual(await written(), [{ changed_by: operator.role, changed_login: operator.role, keep_last: 3 }]);
  await t.throwsAsync(operator.query(`update holdfast.retention_policy set changed_by = 'nobody'`), {
    code: '42501',
  });
});

test('a policy that makes no sense is refused, with what is wrong', async (t) => {
  const { operator } = await setup(t);
  for (const [columns, code, message] of [
    [`cluster, keep_last) values ('nowhere', 3`, '23503', /cluster "nowhere" does not exist/],
    [`cluster) values ('main'`, '23514', /the retention policy of cluster "main" keeps nothing/],
    [`cluster, keep_last) values ('main', 0`, '23514', /keep_last_is_1_to_10000/],
    [`cluster, keep_within) values ('main', '-1 day'`, '23514', /keep_within_is_positive/],
    [`cluster, recovery_window) values ('main', '-1 s'`, '23514', /recovery_window_is_not_negative/],
    [`cluster, keep_daily, time_zone) values ('main', 7, 'Berlin'`, '22023', /time zone "Berlin" is unknown/],
    [`cluster, keep_daily, time_zone) values ('main', 7, 'CET'`, '22023', /time zone "CET" is unknown/],
  ] as const) {
    await t.throwsAsync(
      operator.query(`insert into holdfast.retention_policy (${columns})`),
      { code, message },
      columns,
    );
  }
  await operator.query(`insert into holdfast.retention_policy (cluster, keep_last) values ('main', 3)`);
  await t.throwsAsync(operator.query('update holdfast.retention_policy set keep_last = null'), {
    message: /keeps nothing/,
  });
});

test('only operators write policies and holds', async (t) => {
  const { db, id } = await backedUp(t);
  for (const name of ['requester', 'reader', 'worker'] as const) {
    const other = await asRole(t, db, name);
    for (const statement of [
      `insert into holdfast.retention_policy (cluster, keep_last) values ('main', 1)`,
      `insert into holdfast.legal_hold (request_id, reason) values (${id}, 'mine')`,
      'update holdfast.legal_hold set released = true',
      'delete from holdfast.retention_policy',
    ])
      await t.throwsAsync(other.query(statement), { code: '42501' }, `${name}: ${statement}`);
  }
});

test('a hold says who placed it, is released once, and is never changed or removed', async (t) => {
  const { operator, admin, id } = await backedUp(t);
  await operator.query(`insert into holdfast.legal_hold (request_id, reason) values (${id}, 'case 2026-17')`);
  const holds = () =>
    operator.query('select placed_by, released, released_by from holdfast.legal_hold order by id');
  t.deepEqual(await holds(), [{ placed_by: operator.role, released: false, released_by: null }]);
  await t.throwsAsync(admin.query(`update holdfast.legal_hold set reason = 'another'`), {
    code: 'HF001',
    message: /cannot be changed, only released/,
  });
  await operator.query('update holdfast.legal_hold set released = true');
  t.deepEqual(await holds(), [{ placed_by: operator.role, released: true, released_by: operator.role }]);
  await t.throwsAsync(operator.query('update holdfast.legal_hold set released = false'), {
    code: 'HF001',
    message: /has been released, and stays so/,
  });
  for (const statement of ['delete from holdfast.legal_hold', 'truncate holdfast.legal_hold'])
    await t.throwsAsync(admin.query(statement), undefined, statement);
  await t.throwsAsync(
    operator.query(`insert into holdfast.legal_hold (request_id, reason) values (4711, 'none')`),
    { code: '23503', message: /backup request 4711 does not exist/ },
  );
});

test('what is held or kept does not begin to expire, and what has begun cannot be held or kept', async (t) => {
  const { operator, worker, id } = await backedUp(t);
  const begin = () =>
    worker.client.value<string | null>(
      `select holdfast.begin_expiry('main', 'name', ${id}, null, 'hold', now(), 1, '0/1', 'test', null)`,
    );
  await operator.query(`insert into holdfast.legal_hold (request_id, reason) values (${id}, 'case')`);
  t.is(await begin(), 'it is under legal hold');
  await operator.query('update holdfast.legal_hold set released = true');
  await operator.query(`update holdfast.backup_request set keep = true where id = ${id}`);
  t.is(await begin(), 'keep is set');
  await operator.query(`update holdfast.backup_request set keep = false where id = ${id}`);
  t.is(await begin(), null);

  const refusal = { code: 'HF001', message: /has expired: its files are gone, or going/ };
  await t.throwsAsync(
    operator.query(`insert into holdfast.legal_hold (request_id, reason) values (${id}, 'late')`),
    refusal,
  );
  await t.throwsAsync(
    operator.query(`update holdfast.backup_request set keep = true where id = ${id}`),
    refusal,
  );
});

for (const [what, statement] of Object.entries({
  held: `insert into holdfast.legal_hold (request_id, reason) values ($1, 'late')`,
  kept: 'update holdfast.backup_request set keep = true where id = $1',
}))
  test(`what has begun to expire cannot be ${what} on a snapshot from before that either`, async (t) => {
    const { db, operator, id } = await backedUp(t);
    const another = await playWorker(t, db); // than the one that made it, which is alive
    await operator.query('begin isolation level repeatable read');
    await operator.query('select from holdfast.backup_request');
    const refusal = await another.client.value(
      `select holdfast.begin_expiry('main', 'name', ${id}, null, 'hold', now(), 1, '0/1', 'test', null)`,
    );
    t.is(refusal, null);
    await t.throwsAsync(operator.query(statement, [id]), { code: '40001' });
    await operator.query('rollback');
    await t.throwsAsync(operator.query(statement, [id]), { code: 'HF001' });
  });

test('an expiry waits for locked requests until one has been locked for a second, and not for each of them', async (t) => {
  const { db, operator, id } = await backedUp(t);
  const connection = await Connection.open({ url: db.url, schema: 'holdfast' });
  t.teardown(() => connection.close());
  const expiring = { cluster: 'main', backup: 'name', request: Number(id), mayBe: null, method: 'hold' };
  const facts = { stoppedAt: 'now', systemIdentifier: '1', startLsn: '0/1', reason: 'test', policy: null };
  const lockWait = fullLockWait();
  await operator.query('begin; select from holdfast.backup_request for update');
  const locked = { message: /^backup request \d+ is kept locked by backend/ };
  await t.throwsAsync(beginExpiry(connection, { ...expiring, ...facts }, lockWait), locked);
  await connection.query(`set statement_timeout = '500 ms'`);
  await t.throwsAsync(beginExpiry(connection, { ...expiring, ...facts }, lockWait), locked);
  await operator.query('rollback');
  t.is(await beginExpiry(connection, { ...expiring, ...facts }, lockWait), undefined);
});
