// A notification queue that is full, because somebody listens and sleeps in a transaction, stops no request.
import test, { type ExecutionContext } from 'ava';
import { noOwnCluster, ownCluster, type TestCluster } from '../support/cluster.ts';
import { eventuallyRow } from '../support/eventually.ts';
import { asRole, installedDatabase } from '../support/installed-database.ts';
import { playWorker } from '../support/played-worker.ts';
import { request, requestIn, backupStates } from '../support/requests.ts';
import { connect, type SqlClient } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const before17 =
  Number(process.env['TEST_PG_VERSION'] ?? 18) < 17 ? 'its size is fixed before 17' : undefined;
const from17 = testWhen(noOwnCluster, before17);

// From 17 on the queue can be made small enough to fill.
from17('with the queue full to the last page every move still succeeds, untold', async (t) => {
  const cluster = await ownCluster(t, { settings: { max_notify_queue_pages: '64' }, installed: true });
  const { client, listener, drive } = await setUp(t, cluster);
  await listener.close();
  await t.throwsAsync(fill(client), { message: /too many notifications in the NOTIFY queue/ });
  t.true((await client.value<number>('select pg_notification_queue_usage()')) > 0.9);

  await drive();
});

from17('once the sleeper is gone, moves are told again', async (t) => {
  const cluster = await ownCluster(t, { settings: { max_notify_queue_pages: '64' }, installed: true });
  const { client, sleeper, listener } = await setUp(t, cluster);
  await t.throwsAsync(fill(client));
  await request(client, { label: 'untold' });
  await sleeper.query('rollback');
  await eventuallyRow(client, 'select where pg_notification_queue_usage() < 0.5');

  const id = await request(client, { label: 'told' });
  const { payload } = await listener.notification();
  t.is((JSON.parse(payload) as { id: number }).id, Number(id));
});

// Before that it has 8 GB; here it is only said to be full.
test('with a queue that is said to be half full every move succeeds, untold', async (t) => {
  const { client, listener, drive } = await setUp(t);
  await saysItsUsageIs(client, 0.5);
  await drive();
  await listener.query('notify holdfast_state');
  t.is((await listener.notification()).payload, '');
});

test('with a queue that is said to be almost half full moves are told', async (t) => {
  const { client, listener } = await setUp(t);
  await saysItsUsageIs(client, 0.49);
  await request(client);
  t.regex((await listener.notification()).payload, /requested/);
});

async function setUp(t: ExecutionContext, cluster?: TestCluster) {
  const db = await installedDatabase(t, cluster);
  const client = await connect(t, db.url);
  const requester = await asRole(t, db, 'requester');
  const worker = await playWorker(t, db);
  const listener = await connect(t, db.url);
  await listener.query('listen holdfast_state');
  const sleeper = await connect(t, db.url);
  await sleeper.query('listen something');
  await sleeper.query('begin');
  await sleeper.query('select 1');
  const drive = async () => {
    for (const state of backupStates) await t.notThrowsAsync(requestIn(state, requester, worker), state);
  };
  return { client, listener, sleeper, drive };
}

/**
 * Every payload takes a page of its own. The sleeper listens to the channel: from 19 on, the queue moves past sessions that
 * do not.
 */
async function fill(client: SqlClient): Promise<void> {
  for (let n = 0; n < 100; n++)
    await client.query(`select pg_notify('something', '${n}' || repeat('x', 7900))`);
}

/** In this database, for everybody. */
async function saysItsUsageIs(superuser: SqlClient, usage: number): Promise<void> {
  await superuser.query(
    `create or replace function pg_catalog.pg_notification_queue_usage() returns double precision
     language sql volatile as 'select ${usage}::double precision'`,
  );
}
