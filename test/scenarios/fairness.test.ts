// INSERT is no way to use up the server's connections, nor to keep others waiting.
import test from 'ava';
import { eventually } from '../support/eventually.ts';
import { asRole, type Login } from '../support/installed-database.ts';
import { finish, request } from '../support/requests.ts';
import { scene, type Scene } from '../support/scene.ts';

test('a requester with 500 requests waiting holds up nobody', async (t) => {
  const it = await scene(t);
  await it.startWorker({ env: { HOLDFAST_MAX_HELD: '4' } });
  await flood(it.client, 500);
  await eventually('the flood has all that it gets', async () => (await runningOf(it, it.client)) === 2);

  const other = await asRole(t, it.db, 'requester');
  for (let backup = 0; backup < 3; backup++) {
    const id = await request(other, { fast: true });
    await it.untilState(id, 'running', { within: 5000 });
    await finish(other, id);
    await it.untilState(id, 'complete', { within: 5000 });
  }
  t.is(await runningOf(it, it.client), 2);
});

test('no more sessions are held than max_held, and each that ends makes room for the next', async (t) => {
  const it = await scene(t);
  const clients = [it.client, await asRole(t, it.db, 'requester'), await asRole(t, it.db, 'requester')];
  for (const client of clients) await flood(client, 5);
  await it.startWorker({ env: { HOLDFAST_MAX_HELD: '3' } });
  for (const client of clients) {
    await eventually('one of each is running', async () => (await runningOf(it, client)) === 1);
  }
  t.is(await heldSessions(it), 3);

  let most = 0;
  await eventually('all are complete', async () => {
    most = Math.max(most, await heldSessions(it));
    for (const client of clients) {
      await client.query(`update holdfast.backup_request set state = 'done' where state = 'running'`);
    }
    return it.admin.value(`select bool_and(state = 'complete') from holdfast.backup_request`);
  });
  t.is(most, 3);
});

test('with room for one only, requesters take turns', async (t) => {
  const it = await scene(t);
  await it.startWorker({ env: { HOLDFAST_MAX_HELD: '1' } });
  await flood(it.client, 20);
  const other = await asRole(t, it.db, 'requester');
  const id = await request(other, { fast: true });
  await eventually('the first is running', async () => (await runningOf(it, it.client)) === 1);
  await it.client.query(`update holdfast.backup_request set state = 'cancelled' where state = 'running'`);
  await it.untilState(id, 'running', { within: 5000 });
  t.is(await it.admin.value(`select count(*) from holdfast.backup_request where state = 'requested'`), '19');
});

test('requests wait in the order in which they came, and say what for', async (t) => {
  const it = await scene(t);
  await it.startWorker({ env: { HOLDFAST_MAX_HELD: '1' } });
  const ids = [];
  for (const n of [1, 2, 3]) ids.push(await request(it.client, { label: `n${n}`, fast: true }));
  for (const [position, id] of ids.entries()) {
    await it.untilState(id, 'running', { within: 5000 });
    const next = ids[position + 1];
    if (next)
      t.like(await it.status(next), {
        state: 'requested',
        waiting_for: `a worker to have a session free, held by ${it.client.role} (1)`,
      });
    await finish(it.client, id);
    await it.untilState(id, 'complete');
  }
  t.pass();
});

function flood(client: Login, count: number): Promise<unknown> {
  return client.query(
    `insert into holdfast.backup_request (label, fast)
     select session_user || n, true from generate_series(1, ${count}) n`,
  );
}

async function runningOf(it: Scene, client: Login): Promise<number> {
  return it.admin.value(
    `select count(*)::int from holdfast.backup_request where state = 'running' and requested_by = $1`,
    [client.role],
  );
}

function heldSessions(it: Scene): Promise<number> {
  return it.admin.value(
    `select count(*)::int from holdfast.backup_status where session = 'alive' and state in ('starting', 'running', 'done')`,
  );
}
