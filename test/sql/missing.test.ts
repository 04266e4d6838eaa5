// Copies that are not in the repository any more: noted whoever has their rows locked, and forgotten by operators.
import test, { type ExecutionContext } from 'ava';
import { Connection } from '../../src/database/connection.ts';
import { missingBackups, noteMissing } from '../../src/control/control-identity.ts';
import { asRole, installedDatabase } from '../support/installed-database.ts';
import { playWorker } from '../support/played-worker.ts';
import { request, requestIn } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';

test('a row that its requester keeps locked hides no missing backup, no verification and no drill', async (t) => {
  const { requester, operator, owner, complete } = await stage(t);
  const ids = [await complete(), await complete()];
  await requester.query('begin');
  await requester.query('select from holdfast.backup_request where id = $1 for update', [ids[0]]);

  const connection = await Connection.open({ url: owner.url, schema: 'holdfast' });
  await connection.query(`set lock_timeout = '1s'`);
  await noteMissing(connection, 'main', ids.map(String));
  const missing = async () => (await missingBackups(connection)).map(({ id }) => id);
  t.deepEqual(await missing(), ids);
  await owner.client.query(`set lock_timeout = '1s'`);
  await owner.client.query(
    `insert into holdfast.backup_verification (request_id, cluster, backup, started_at, finished_at, ok, files, bytes, segments)
     values ($1, 'main', 'b', now(), now(), true, 0, 0, 0)`,
    [ids[0]],
  );
  await owner.client.query(
    `insert into holdfast.backup_drill (request_id, cluster, worker, started_at, finished_at, ok, target, error_code, error)
     values ($1, 'main', 'w', now(), now(), false, 'latest', 'drill_failed', 'it failed')`,
    [ids[0]],
  );

  const forget = () => operator.query('select holdfast.forget_copy($1, $2)', [ids[0], 'the disk burnt']);
  await t.throwsAsync(forget(), { code: '55P03' });
  await requester.query('rollback');
  await forget();
  t.deepEqual(await missing(), [ids[1]]);
  await connection.close();
});

test('only an operator forgets a copy, and only one that is missing, and neither kept nor held', async (t) => {
  const {
    requester,
    operator,
    owner: { client: owner },
    complete,
  } = await stage(t);
  const id = await complete();
  const forget = (client = operator) => client.query('select holdfast.forget_copy($1, $2)', [id, 'new disk']);
  await t.throwsAsync(forget(), { code: 'HF001', message: /is not missing/ });
  await owner.query(`insert into holdfast.missing_backup (request_id, cluster) values ($1, 'main')`, [id]);
  await t.throwsAsync(forget(requester), { code: '42501' });
  await operator.query('update holdfast.backup_request set keep = true where id = $1', [id]);
  await t.throwsAsync(forget(), { code: 'HF001', message: /to be kept/ });
  await operator.query('update holdfast.backup_request set keep = false where id = $1', [id]);
  await operator.query(`insert into holdfast.legal_hold (request_id, reason) values ($1, 'court')`, [id]);
  await t.throwsAsync(forget(), { code: 'HF001', message: /legal hold/ });
  await operator.query('update holdfast.legal_hold set released = true');
  await operator.query('set role holdfast_operator');
  await forget();

  const [row] = await owner.query(
    `select r.expired_at = e.removed_at as gone, e.reason, e.begun_by from holdfast.backup_request r
     join holdfast.backup_expiry e on e.request_id = r.id`,
  );
  t.deepEqual(row, { gone: true, reason: 'forgotten: new disk', begun_by: operator.role });
  t.deepEqual(await owner.query('select request_id from holdfast.missing_backup'), []);
  const [event] = await owner.query(
    'select who, login, detail from holdfast.backup_event where request_id = $1 order by id desc limit 1',
    [id],
  );
  t.deepEqual(event, {
    who: 'holdfast_operator',
    login: operator.role,
    detail: { forgotten: 'new disk' },
  });
  await t.throwsAsync(forget(), { code: 'HF001' });
  await t.throwsAsync(operator.query('update holdfast.backup_request set keep = true where id = $1', [id]), {
    code: 'HF001',
    message: /has expired/,
  });
  t.is(await operator.value<string>(`select holdfast.prune('0')`), '0', 'the newest complete one stays');
  await t.throwsAsync(
    operator.query('select holdfast.forget_copy($1, $2)', [await request(requester), 'x']),
    {
      code: 'HF001',
    },
  );
});

async function stage(t: ExecutionContext) {
  const db = await installedDatabase(t);
  const [requester, operator] = [await asRole(t, db, 'requester'), await asRole(t, db, 'operator')];
  const client = await connect(t, db.url);
  const worker = await playWorker(t, db);
  return {
    requester,
    operator,
    owner: { url: db.url, client },
    /** A copy, though only a worker that really copies could bring one so far. */
    complete: async (): Promise<number> => {
      const id = await requestIn('complete', requester, worker);
      await client.query('begin');
      await client.query('set local session_replication_role = replica');
      await client.query(`update holdfast.backup_request set method = 'copy' where id = $1`, [id]);
      await client.query('commit');
      return Number(id);
    },
  };
}
