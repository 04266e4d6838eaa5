// A worker is who holds a worker's lock, and it moves what it holds or what a dead one held.
import { randomUUID } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { asRole, installedDatabase } from '../support/installed-database.ts';
import { moveTo, playWorker, randomKey } from '../support/played-worker.ts';
import { update, whatWorks, type Column } from '../support/request-columns.ts';
import { request, requestIn, stateOf } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';

const foreign = { code: '42501', message: /is held by another worker, which is alive$/ };

test('a request that a living worker holds is moved by that worker only', async (t) => {
  const { db, requester, worker } = await setUp(t);
  const id = await requestIn('running', requester, worker);
  const another = await playWorker(t, db);
  await t.throwsAsync(another.move(id, 'failed'), foreign);

  await worker.die();
  await t.notThrowsAsync(another.move(id, 'failed'), 'a dead worker’s request is anybody’s');
});

test('a worker cannot make itself the holder of what a living one holds, and can of what a dead one held', async (t) => {
  const { db, requester, worker } = await setUp(t);
  const id = await requestIn('running', requester, worker);
  const another = await playWorker(t, db);
  const take = `update holdfast.backup_session set instance = '${another.instance}' where request_id = ${id}`;
  await t.throwsAsync(another.client.query(take), foreign);

  await worker.die();
  await t.notThrowsAsync(another.client.query(take));
  await t.notThrowsAsync(another.move(id, 'failed'));
});

test('nobody writes the session of a request without a worker’s lock, superuser or not', async (t) => {
  const { db, requester, worker } = await setUp(t);
  const id = await requestIn('running', requester, worker);
  const mine = { code: '42501', message: /writes its own backup sessions only/ };
  for (const client of [await asRole(t, db, 'worker'), await connect(t, db.url)]) {
    await t.throwsAsync(client.query('update holdfast.backup_session set lock_key = 1'), mine);
    const waiting = await request(requester);
    const insert = 'insert into holdfast.backup_session (request_id, instance, lock_key) values ($1, $2, 1)';
    await t.throwsAsync(client.query(insert, [waiting, worker.instance]), mine);
  }
  t.is(await stateOf(requester, id), 'running');
});

test('two runs do not share a name while one of them is alive', async (t) => {
  const { db, worker } = await setUp(t);
  const another = await asRole(t, db, 'worker');
  const register = (instance: string) =>
    another.query(
      `insert into holdfast.worker (name, instance, clusters, version, host, host_pid, pid, lock_key)
       values ($1, $2, '{main}', '0', 'h', 1, pg_backend_pid(), $3)
       on conflict (name) do update set instance = excluded.instance, pid = excluded.pid, lock_key = excluded.lock_key`,
      [worker.name, instance, randomKey()],
    );
  await t.throwsAsync(register(randomUUID()), {
    code: '55006',
    message: `a worker named "${worker.name}" is alive`,
  });
  await t.notThrowsAsync(register(worker.instance), 'the same run may come back on another connection');
  await t.notThrowsAsync(register(randomUUID()), 'that connection holds no lock: it is not alive');
});

test('a registration without its lock, and a lock without its registration, make no worker', async (t) => {
  const { db, requester, worker } = await setUp(t);
  const id = await request(requester);
  const refused = { code: '42501', message: /belongs to role/ };

  await worker.client.query('select pg_advisory_unlock($1)', [worker.lockKey]);
  await t.throwsAsync(worker.move(id, 'starting'), refused);

  const thief = await asRole(t, db, 'worker');
  await thief.query('select pg_advisory_lock($1)', [worker.lockKey]);
  await t.throwsAsync(thief.query(moveTo('starting'), [id]), refused);
});

test('a dead worker’s pid and key make nobody else the worker, whatever role he plays', async (t) => {
  const { db, requester, worker } = await setUp(t);
  const id = await requestIn('archiving', requester, worker);
  await worker.die();
  const superuser = await connect(t, db.url);
  await superuser.query('update holdfast.worker set pid = $1', [requester.pid]); // as a pid comes again
  await requester.query('select pg_advisory_lock($1)', [worker.lockKey]);

  await t.throwsAsync(
    requester.query(`update holdfast.backup_request set state = 'complete' where id = ${id}`),
    { code: 'HF001', message: /cannot move from archiving to complete/ },
  );
  t.is(await requester.value('select alive from holdfast.worker_status'), false);
  t.is(
    await requester.value(`select waiting_for from holdfast.backup_status where id = ${id}`),
    'a worker: none alive watches its WAL being archived',
  );
  t.is(await requester.value(`select holdfast.worker_is_alive('${worker.instance}')`), false);
  t.is(await requester.value('select (holdfast.worker_here()).id'), null);
  const next = await playWorker(t, db, { name: 'next' });
  await t.notThrowsAsync(next.move(id, 'complete'), 'a worker takes it over');
});

test('a worker that has taken its role by SET ROLE is the worker', async (t) => {
  const { db, requester } = await setUp(t);
  const worker = await playWorker(t, db);
  const id = await request(requester);
  await worker.client.query('set role holdfast_worker');
  await t.notThrowsAsync(worker.move(id, 'starting'), 'behind SET ROLE the worker is the worker');
});

test('a worker changes nothing of a request that is over', async (t) => {
  const { requester, worker } = await setUp(t);
  for (const state of ['complete', 'failed', 'cancelled'] as const) {
    const id = await requestIn(state, requester, worker);
    const worked = await whatWorks(worker.client, (column: Column) => update(column, id));
    t.deepEqual(worked, [], state);
  }
});

test('worker_status tells who is alive, what each serves and how many sessions it holds', async (t) => {
  const { db, requester, worker } = await setUp(t);
  const dead = await playWorker(t, db, { clusters: ['main', 'billing'] });
  for (const state of ['starting', 'running', 'done', 'archiving', 'complete'] as const) {
    await requestIn(state, requester, worker);
  }
  await dead.die();
  const status =
    'select name, alive, draining, clusters, held::int from holdfast.worker_status order by held desc';
  t.deepEqual(await requester.query(status), [
    { name: worker.name, alive: true, draining: false, clusters: ['main'], held: 3 },
    { name: dead.name, alive: false, draining: false, clusters: ['main', 'billing'], held: 0 },
  ]);
});

test('backup_status tells what each request waits for', async (t) => {
  const { requester, worker } = await setUp(t);
  const waits = async (id: string) =>
    (await requester.query('select waiting_for from holdfast.backup_status where id = $1', [id]))[0]?.[
      'waiting_for'
    ];
  const expected = {
    requested: 'a worker to have a session free',
    starting: 'the checkpoint',
    running: 'the client to finish',
    done: 'pg_backup_stop',
    archiving: 'its WAL to be archived',
    complete: undefined,
  } as const;
  for (const [state, text] of Object.entries(expected)) {
    t.is(await waits(await requestIn(state as keyof typeof expected, requester, worker)), text, state);
  }
  const waiting = await request(requester);
  await worker.die();
  t.is(await waits(waiting), 'a worker: none alive serves this cluster');
});

async function setUp(t: ExecutionContext) {
  const db = await installedDatabase(t);
  return { db, worker: await playWorker(t, db), requester: await asRole(t, db, 'requester') };
}
