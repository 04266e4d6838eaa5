// prune(age): the only way to shorten the history.
import test, { type ExecutionContext } from 'ava';
import { asRole, installedDatabase } from '../support/installed-database.ts';
import { playWorker } from '../support/played-worker.ts';
import { request, requestIn, backupStates } from '../support/requests.ts';
import { connect, type SqlClient } from '../support/sql-client.ts';

test('what ended longer ago than the age goes, with its events, stages and session; the rest stays', async (t) => {
  const { operator, superuser, worker } = await setUp(t);
  const old = await requestIn('failed', operator, worker);
  const young = await requestIn('cancelled', operator, worker);
  const session = await requestIn('running', operator, worker);
  await worker.move(session, 'failed');
  await age(superuser, '400 days', old, session);

  await operator.query('set holdfast.clock_is_right = on'); // nothing was done for 400 days
  t.is(await prune(operator, '401 days'), 0);
  t.is(await prune(operator, '1 year'), 2);
  t.deepEqual(await idsIn(superuser, 'backup_request', 'id'), [young]);
  t.deepEqual(await idsIn(superuser, 'backup_event', 'request_id'), [young]);
  t.deepEqual(await idsIn(superuser, 'backup_stage', 'request_id'), []);
  t.deepEqual(await idsIn(superuser, 'backup_session', 'request_id'), []);
});

test('what is not over stays, however old', async (t) => {
  const { operator, superuser, worker } = await setUp(t);
  const live = [];
  for (const state of backupStates.slice(0, backupStates.indexOf('complete'))) {
    live.push(await requestIn(state, operator, worker));
  }
  await age(superuser, '10 years', ...live);
  t.is(await prune(operator, '0'), 0);
});

test('a request to keep stays', async (t) => {
  const { operator, worker } = await setUp(t);
  await requestIn('cancelled', operator, worker, { keep: true });
  t.is(await prune(operator, '0'), 0);
  await operator.query('update holdfast.backup_request set keep = false');
  t.is(await prune(operator, '0'), 1);
});

test('each cluster’s newest complete backup stays', async (t) => {
  const { operator, superuser, worker } = await setUp(t);
  await superuser.query(`insert into holdfast.cluster (name) values ('second')`);
  await requestIn('complete', operator, worker);
  const newest = await requestIn('complete', operator, worker);
  const elsewhere = await requestIn('complete', operator, worker, { cluster: 'second' });
  await requestIn('failed', operator, worker);

  t.is(await prune(operator, '0'), 2);
  t.deepEqual(await idsIn(superuser, 'backup_request', 'id'), [newest, elsewhere]);
});

test('an age is needed, and it is not negative', async (t) => {
  const { operator } = await setUp(t);
  for (const nonsense of [null, '-1 second']) {
    await t.throwsAsync(prune(operator, nonsense), { code: '22023', message: /prune needs an age/ });
  }
});

test('nothing is pruned where a clock that is ahead would make it old, until somebody says that it is right', async (t) => {
  const { operator, superuser, worker } = await setUp(t);
  const ended = [await requestIn('failed', operator, worker), await requestIn('cancelled', operator, worker)];
  // What a clock that is 400 days ahead makes of them, and of all that happened before.
  await age(superuser, '400 days', ...ended);
  await dateBack(superuser, '400 days');
  await requestIn('failed', operator, worker);
  const refused = await t.throwsAsync(prune(operator, '1 year'), {
    code: '55000',
    message: /^the clock may be ahead: it says 20.*, and nothing is dated between 20.* and 20/,
  });
  t.regex(String((refused as { hint?: string }).hint), /type SET holdfast\.clock_is_right = on/);
  t.is(await prune(operator, '10 years'), 0, 'a quarter of that is longer than 400 days');
  await operator.query('set holdfast.clock_is_right = on');
  t.is(await prune(operator, '1 year'), 2);
});

test('what prune has left of an old time does not look like a clock that is ahead, nor does a quiet time that was confirmed once', async (t) => {
  const { operator, superuser, worker } = await setUp(t);
  const kept = await requestIn('cancelled', operator, worker, { keep: true });
  const young = await requestIn('cancelled', operator, worker);
  await age(superuser, '900 days', kept);
  await age(superuser, '360 days', young);
  await dateBack(superuser, '900 days');
  await t.throwsAsync(prune(operator, '1 year'), { code: '55000' });
  await operator.query('set holdfast.clock_is_right = on');
  t.is(await prune(operator, '1 year'), 0);
  await operator.query('reset holdfast.clock_is_right');
  t.is(await prune(operator, '1 year'), 0);
  t.is(await prune(operator, '300 days'), 1);
  await t.throwsAsync(prune(operator, '2 years'), { code: '55000' }, 'which looks further back');
  await superuser.query(`update holdfast.setting set pruned_at = pruned_at - interval '400 days'`);
  await t.throwsAsync(prune(operator, '1 year'), { code: '55000' }, 'as if the clock had jumped since');
});

test('only operators prune', async (t) => {
  const { db } = await setUp(t);
  for (const role of ['reader', 'requester', 'worker'] as const) {
    await t.throwsAsync(prune(await asRole(t, db, role), '0'), { code: '42501' }, role);
  }
});

test('having pruned opens no door: the same transaction still cannot delete', async (t) => {
  const { operator, superuser } = await setUp(t);
  await request(operator);
  await superuser.query('begin');
  await prune(superuser, '0');
  await t.throwsAsync(superuser.query('delete from holdfast.backup_event'), { code: 'HF001' });
});

async function setUp(t: ExecutionContext) {
  const db = await installedDatabase(t);
  const worker = await playWorker(t, db);
  return { db, worker, operator: await asRole(t, db, 'operator'), superuser: await connect(t, db.url) };
}

function prune(client: SqlClient, older: string | null): Promise<number> {
  return client.value('select holdfast.prune($1)::int', [older]);
}

/** Only the table's owner can do this, with the triggers off. */
async function age(owner: SqlClient, by: string, ...ids: string[]): Promise<void> {
  await owner.query('alter table holdfast.backup_request disable trigger user');
  await owner.query(
    `update holdfast.backup_request
     set requested_at = requested_at - $1::interval, finished_at = finished_at - $1::interval
     where id = any ($2)`,
    [by, ids],
  );
  await owner.query('alter table holdfast.backup_request enable trigger user');
}

/** What is dated in the database but for the requests. */
async function dateBack(owner: SqlClient, by: string): Promise<void> {
  await owner.query('alter table holdfast.backup_event disable trigger user');
  await owner.query('update holdfast.backup_event set at = at - $1::interval', [by]);
  await owner.query('alter table holdfast.backup_event enable trigger user');
}

async function idsIn(client: SqlClient, table: string, column: string): Promise<unknown[]> {
  const rows = await client.query(`select distinct ${column} as id from holdfast.${table} order by 1`);
  return rows.map(({ id }) => id);
}
