// Two channels: one that workers listen to, one for every change of state. Hints only, and never before the commit.
import test, { type ExecutionContext } from 'ava';
import { asRole, installedDatabase } from '../support/installed-database.ts';
import { playWorker } from '../support/played-worker.ts';
import { cancel, finish, request, requestIn } from '../support/requests.ts';
import { connect, type SqlClient } from '../support/sql-client.ts';

interface Heard {
  channel: string;
  payload: unknown;
}

test('every move is told to clients, and to workers what they have to act on', async (t) => {
  const { requester, worker, heard } = await setUp(t);
  const id = Number(await request(requester));
  const told = (state: string) => ({
    channel: 'holdfast_state',
    payload: { id, cluster: 'main', state },
  });
  const toWorkers = (state: string) => ({ ...told(state), channel: 'holdfast_request' });

  t.deepEqual(await heard(), [told('requested'), toWorkers('requested')]);
  await worker.claim(String(id));
  t.deepEqual(await heard(), [told('starting')]);
  await worker.move(String(id), 'running');
  t.deepEqual(await heard(), [told('running')]);
  await finish(requester, String(id));
  t.deepEqual(await heard(), [told('done'), toWorkers('done')]);
  await worker.move(String(id), 'archiving');
  t.deepEqual(await heard(), [told('archiving')]);
  await worker.move(String(id), 'complete');
  t.deepEqual(await heard(), [told('complete')]);
});

test('a cancellation, a failure and a giving up are told, to workers where it was not they who did it', async (t) => {
  const { db, requester, worker, heard } = await setUp(t);
  const operator = await asRole(t, db, 'operator');
  const [cancelled, failed, given] = [
    await requestIn('running', requester, worker),
    await requestIn('running', requester, worker),
    await requestIn('archiving', requester, worker),
  ];
  await heard();
  const channels = async () => (await heard()).map(({ channel }) => channel);

  await cancel(requester, cancelled);
  t.deepEqual(await channels(), ['holdfast_state', 'holdfast_request']);
  await worker.move(failed, 'failed');
  t.deepEqual(await channels(), ['holdfast_state']);
  await operator.query(`update holdfast.backup_request set state = 'failed' where id = ${given}`);
  t.deepEqual(await channels(), ['holdfast_state', 'holdfast_request']);
});

test('the payload is the same text everywhere, so that a client may compare it', async (t) => {
  const { requester, listener } = await setUp(t);
  const id = await request(requester);
  const { payload } = await listener.notification((_, channel) => channel === 'holdfast_state');
  t.is(payload, `{"id" : ${id}, "cluster" : "main", "state" : "requested"}`);
});

test('nothing is told before the commit, and nothing of what is rolled back or refused', async (t) => {
  const { requester, heard } = await setUp(t);
  await requester.query('begin');
  const id = await request(requester);
  t.deepEqual(await heard(), []);
  await requester.query('rollback');
  await t.throwsAsync(request(requester, { cluster: 'nowhere' }));
  t.deepEqual(await heard(), []);

  const second = await request(requester);
  await t.throwsAsync(finish(requester, second));
  t.deepEqual(
    (await heard()).map(({ payload }) => (payload as { id: number }).id),
    [Number(second), Number(second)],
  );
  t.not(id, second);
});

test('what is no change of state is not told to clients: progress, annotations, warnings, pruning; a keep is told to workers', async (t) => {
  const { db, requester, worker, heard } = await setUp(t);
  const operator = await asRole(t, db, 'operator');
  const id = await requestIn('running', requester, worker);
  await requestIn('failed', requester, worker);
  await heard();

  await worker.client.query(`update holdfast.backup_stage set bytes_done = 5, detail = 'copying'`);
  await worker.client.query(`update holdfast.backup_request set warnings = '{slow}' where id = ${id}`);
  await operator.query(`update holdfast.backup_request set keep = true, annotations = '{}' where id = ${id}`);
  await operator.query(`update holdfast.backup_request set state = state`);
  await operator.query(`select holdfast.prune('0')`);
  const kept = { held: Number(id), cluster: 'main' };
  t.deepEqual(await heard(), [{ channel: 'holdfast_request', payload: kept }]);
});

async function setUp(t: ExecutionContext) {
  const db = await installedDatabase(t);
  const requester = await asRole(t, db, 'requester');
  const worker = await playWorker(t, db);
  const listener = await connect(t, db.url);
  await listener.query('listen holdfast_state; listen holdfast_request; listen sentinel');
  return { db, requester, worker, listener, heard: () => sinceLast(listener) };
}

/** All that has been told since the last time: up to a notification of our own. */
async function sinceLast(listener: SqlClient): Promise<Heard[]> {
  await listener.query('notify sentinel');
  await listener.notification((_, channel) => channel === 'sentinel');
  const told = listener.notifications.splice(0).filter(({ channel }) => channel !== 'sentinel');
  return told.map(({ channel, payload }) => ({ channel, payload: JSON.parse(payload) as unknown }));
}
