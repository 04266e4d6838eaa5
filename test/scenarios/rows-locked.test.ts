// A requester can lock rows of his own, by SELECT … FOR UPDATE or by an UPDATE that he does not commit. He holds up
// himself, and nobody else.
import test from 'ava';
import { untilLooked } from '../support/looks.ts';
import { eventually } from '../support/eventually.ts';
import { asRole } from '../support/installed-database.ts';
import { finish, request } from '../support/requests.ts';
import { scene, type Scene } from '../support/scene.ts';
import { connect, type SqlClient } from '../support/sql-client.ts';

test('a locked request is passed over, without the worker running in circles', async (t) => {
  const it = await scene(t);
  const locked = await request(it.client, { label: 'locked', fast: true });
  await it.client.query('begin');
  await it.client.query('select from holdfast.backup_request where id = $1 for update', [locked]);
  await it.startWorker();

  await backsUp(it, await asRole(t, it.db, 'requester'));
  await backsUp(it, await connect(t, it.client.url));

  const elsewhere = await connect(t, it.db.cluster.url()); // its own transactions do not count
  await untilLooked(elsewhere, 1, it.db.name); // until the statistics know of what has been so far
  const before = await transactions(elsewhere, it.db.name);
  await untilLooked(elsewhere, 2, it.db.name);
  const after = await transactions(elsewhere, it.db.name);
  const perSecond = (after.count - before.count) / (after.seconds - before.seconds);
  t.true(perSecond < 40, `${perSecond} transactions a second`); // in circles, it makes hundreds

  await it.client.query('rollback');
  await it.untilState(locked, 'running', { within: 5000 });
  await finish(it.client, locked);
  await it.untilState(locked, 'complete');
});

test('a running request that is locked holds up nobody, and is stopped once it is free', async (t) => {
  const it = await scene(t);
  await it.startWorker();
  const id = await request(it.client, { fast: true });
  await it.untilState(id, 'running');
  await it.client.query('begin');
  await finish(it.client, id);
  await untilLooked(it.admin, 1);
  t.is((await it.row(id)).state, 'running');

  await backsUp(it, await asRole(t, it.db, 'requester'));
  await it.client.query('commit');
  await it.untilState(id, 'complete', { within: 5000 });
});

test('rows that stay locked past their hold_timeout keep no session from others', async (t) => {
  const it = await scene(t);
  await it.startWorker({ env: { HOLDFAST_MAX_HELD: '2', HOLDFAST_MAX_HOLD_TIMEOUT: '1s' } });
  const id = await request(it.client, { fast: true, hold_timeout: '0' });
  await it.untilState(id, 'running');
  await it.client.query('begin');
  await it.client.query('select from holdfast.backup_request where id = $1 for update', [id]);
  await eventually('its session is let go', async () => (await it.status(id))?.session === 'gone', {
    within: 15_000,
  });

  const other = await asRole(t, it.db, 'requester');
  const [first, second] = [await request(other, { fast: true }), await request(it.admin, { fast: true })];
  await Promise.all([it.untilState(first, 'running'), it.untilState(second, 'running')]);

  await it.client.query('rollback');
  t.is((await it.untilState(id, 'failed', { within: 5000 })).error_code, 'hold_timeout');
});

async function backsUp(it: Scene, client: typeof it.admin): Promise<void> {
  const id = await request(client, { fast: true });
  await it.untilState(id, 'running', { within: 5000 });
  await finish(client, id);
  await it.untilState(id, 'complete', { within: 5000 });
}

/** How many there have been in a database, as the server's statistics know some time later. */
async function transactions(
  elsewhere: SqlClient,
  database: string,
): Promise<{ count: number; seconds: number }> {
  const [row] = await elsewhere.query<{ count: number; seconds: number }>(
    `select xact_commit::float8 as count, extract(epoch from clock_timestamp())::float8 as seconds
     from pg_stat_database where datname = $1`,
    [database],
  );
  return row ?? { count: NaN, seconds: NaN };
}
