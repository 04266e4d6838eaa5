// What clients do: roll back, repeat themselves, change their minds, and work side by side.
import test, { type ExecutionContext } from 'ava';
import { backup, completeBackup, isConnected, startBackup, untilState } from '../support/backups.ts';
import { noOwnCluster, ownCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { startWorkerProcess } from '../support/process.ts';
import { cancel, finish, request, stateOf } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

async function setup(t: ExecutionContext) {
  const db = await installedDatabase(t);
  const worker = await startWorkerProcess(t, { url: db.url });
  return { worker, client: await connect(t, db.url), other: await connect(t, db.url) };
}

test('an INSERT that is rolled back starts nothing, and one inside a transaction starts at COMMIT', async (t) => {
  const { client, other } = await setup(t);
  await client.query('begin');
  const id = await request(client, { label: 'undecided', fast: true });
  await client.query('rollback');
  await client.query('begin');
  const second = await request(client, { label: 'undecided', fast: true });
  // A backup of somebody else's has been through everything meanwhile.
  await completeBackup(other, (await startBackup(other)).id);
  t.deepEqual(await other.query('select from holdfast.backup_request where label = $1', ['undecided']), []);
  await client.query('commit');
  await untilState(other, second, 'running');
  t.deepEqual(await other.query('select from holdfast.backup_request where id = $1', [id]), []);
  await completeBackup(client, second);
});

test('an UPDATE that is rolled back finishes nothing', async (t) => {
  const { client, other } = await setup(t);
  const { id, pid } = await startBackup(client);
  await client.query('begin');
  await finish(client, id);
  await client.query('rollback');
  await completeBackup(other, (await startBackup(other)).id);
  t.is(await stateOf(client, id), 'running');
  t.true(await isConnected(client, pid));
  await completeBackup(client, id);
});

test('who finishes twice changes nothing, and is told so once the backup is over', async (t) => {
  const { client, other } = await setup(t);
  const { id } = await startBackup(client);
  const finishes = await Promise.allSettled([finish(client, id), finish(other, id)]);
  // Where the worker has come in between, the second of them is told so.
  const refused = finishes.filter(({ status }) => status === 'rejected');
  t.true(refused.length <= 1);
  for (const { reason } of refused as PromiseRejectedResult[])
    t.regex(String(reason), /cannot move from (archiving|complete) to done/);
  const { backup_label } = await untilState(client, id, 'complete');
  await t.throwsAsync(finish(client, id), { message: /cannot move from complete to done/ });
  t.is((await backup(client, id)).backup_label, backup_label);
  const moves = 'select from holdfast.backup_event where request_id = $1 and to_state = $2';
  t.is((await client.query(moves, [id, 'done'])).length, 1);
});

test('what has failed cannot be finished, and no label is shown for it', async (t) => {
  const { client } = await setup(t);
  const { id, pid } = await startBackup(client);
  await client.query('select pg_terminate_backend($1)', [pid]);
  await untilState(client, id, 'failed', { within: 5000 });
  await t.throwsAsync(finish(client, id), { message: /cannot move from failed to done/ });
  t.is((await backup(client, id)).backup_label, null);
});

testWhen(noOwnCluster)('a backup that is finishing cannot be cancelled any more', async (t) => {
  const cluster = await ownCluster(t, { installed: true });
  const db = await installedDatabase(t, cluster);
  await startWorkerProcess(t, { url: db.url });
  const client = await connect(t, db.url);
  const { id } = await startBackup(client);
  await cluster.archiving.fail();
  await finish(client, id);
  // Whether it is done or archiving by now.
  await t.throwsAsync(cancel(client, id), { message: /cannot move from (done|archiving) to cancelled/ });
  await untilState(client, id, 'archiving');
  await t.throwsAsync(cancel(client, id), { message: /cannot move from archiving to cancelled/ });
  await cluster.archiving.recover();
  await untilState(client, id, 'complete');
});

test('a running backup is cancelled, its session ends, and its label is free again', async (t) => {
  const { client } = await setup(t);
  const { id, pid } = await startBackup(client, { label: 'again' });
  await cancel(client, id);
  await eventually('the session ends', async () => !(await isConnected(client, pid)), { within: 2000 });
  const again = await completeBackup(client, (await startBackup(client, { label: 'again' })).id);
  t.regex(String(again.backup_label), /\nLABEL: again\n/);
});
