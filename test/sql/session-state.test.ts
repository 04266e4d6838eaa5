// backup_status.session says whether the backup session is really there: by its lock, never by a clock.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { noOwnCluster, ownCluster } from '../support/cluster.ts';
import { asRole, installedDatabase, type InstalledDatabase } from '../support/installed-database.ts';
import { moveTo, playWorker, randomKey } from '../support/played-worker.ts';
import { finish, requestIn, backupStates } from '../support/requests.ts';
import { connect, openClient, type SqlClient } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

test('a session is due, and alive, from starting to done only', async (t) => {
  const { reader, requester, worker } = await setUp(t);
  for (const state of backupStates) {
    const id = await requestIn(state, requester, worker);
    const expected = ['starting', 'running', 'done'].includes(state) ? 'alive' : null;
    t.is(await session(reader, id), expected, state);
  }
});

test('a session whose worker is gone is orphaned', async (t) => {
  const { reader, requester, worker } = await setUp(t);
  const id = await requestIn('running', requester, worker);
  await worker.die();
  t.is(await session(reader, id), 'orphaned');
});

for (const state of ['starting', 'running', 'done'] as const) {
  test(`a session that has ended while ${state} is gone, with its worker and without`, async (t) => {
    const { reader, requester, worker } = await setUp(t);
    const id = await requestIn('requested', requester, worker);
    const held = await worker.claim(id);
    if (state !== 'starting') await worker.move(id, 'running');
    if (state === 'done') await finish(requester, id);

    await held.die();
    t.is(await session(reader, id), 'gone');
    await worker.die();
    t.is(await session(reader, id), 'gone');
  });
}

test('nobody else’s lock stands for the session’s', async (t) => {
  const { db, reader, requester, worker } = await setUp(t);
  const id = await requestIn('requested', requester, worker);
  const held = await worker.run(id);
  await held.die();
  const forger = await asRole(t, db, 'requester');
  await forger.query('select pg_advisory_lock($1)', [held.lockKey]);
  t.is(await session(reader, id), 'gone', 'another session with the same key');

  const key = BigInt.asUintN(64, BigInt(held.lockKey));
  const halves = [BigInt.asIntN(32, key >> 32n), BigInt.asIntN(32, key)].map(String);
  await worker.client.query('select pg_advisory_lock($1::int, $2::int)', halves);
  await requester.query('begin');
  t.is(await session(reader, id), 'gone', 'a lock of two keys, with the same bits');
});

test('the session’s lock on the pid of a login that is not the session’s is not it, and the worker’s own stays seen', async (t) => {
  const { db, requester, worker } = await setUp(t);
  const id = await requestIn('requested', requester, worker);
  const held = await worker.run(id);
  const forger = await asRole(t, db, 'requester');
  await forger.query('begin');
  t.is(await session(forger, id), 'alive', 'seen once in a transaction that goes on');
  await held.die();
  await reusePid(db, 'backup_request', forger, `id = ${id}`);
  await forger.query('select pg_advisory_lock($1)', [held.lockKey]);
  t.is(await session(forger, id), 'gone');
  await forger.query('commit');

  t.is(await forger.value('select alive from holdfast.worker_status'), true);
  await worker.die();
  await forger.query('select pg_advisory_lock($1)', [worker.lockKey]);
  await reusePid(db, 'worker', forger, 'true');
  t.is(await forger.value('select alive from holdfast.worker_status'), false);
  await finish(requester, id);
  t.is(
    (await requester.query('select state from holdfast.backup_request where id = $1', [id]))[0]?.['state'],
    'failed',
  );
});

test('in a transaction with an old snapshot a session that cannot be seen is unknown, and one that can is alive', async (t) => {
  const { reader, requester, worker } = await setUp(t);
  const alive = await requestIn('running', requester, worker);
  const ended = await requestIn('requested', requester, worker);
  await (await worker.run(ended)).die();
  for (const isolation of ['repeatable read', 'serializable']) {
    await reader.query(`begin isolation level ${isolation}`);
    t.is(await session(reader, ended), 'unknown', isolation);
    t.is(await session(reader, alive), 'alive', isolation);
    await reader.query('commit');
  }
});

test('a session on another server is as alive as the proxy lock that its worker holds here', async (t) => {
  const { reader, requester, worker } = await setUp(t);
  const id = await requestIn('running', requester, worker);
  const proxyKey = randomKey();
  await worker.client.query('select pg_advisory_lock($1)', [proxyKey]);
  await worker.client.query(
    'update holdfast.backup_session set database = null, proxy_key = $1 where request_id = $2',
    [proxyKey, id],
  );
  t.is(await session(reader, id), 'alive');
  await worker.client.query('select pg_advisory_unlock($1)', [proxyKey]);
  t.is(await session(reader, id), 'gone');
  await worker.client.query('select pg_advisory_lock($1)', [proxyKey]);
  await worker.die();
  t.is(await session(reader, id), 'orphaned', 'it may live on, and nobody here can tell');
});

test('a session is never gone once its outcome is committed, however close behind the lock is let go', async (t) => {
  const { db, requester, worker } = await setUp(t);
  const watchers = await Promise.all([1, 2, 3].map(() => asRole(t, db, 'reader')));
  let racing = true;
  const lies: unknown[] = [];
  const watch = async (watcher: SqlClient) => {
    while (racing) {
      lies.push(
        ...(await watcher.query(`select id, state from holdfast.backup_status where session = 'gone'`)),
      );
    }
  };
  const watching = watchers.map(watch);
  for (let round = 0; round < 100; round++) {
    const id = await requestIn('requested', requester, worker);
    // The worker's own session holds the backup's lock, too, so that nothing lies between the commit and the unlock.
    const { lockKey } = await worker.claim(id, worker.client);
    await worker.client.query(
      `begin; ${moveTo('failed').replace('$1', id)}; commit; select pg_advisory_unlock(${lockKey})`,
    );
  }
  racing = false;
  await Promise.all(watching);
  t.deepEqual(lies, []);
});

testWhen(noOwnCluster)('on a standby the session is unknown', async (t) => {
  const cluster = await ownCluster(t, { installed: true });
  const db = await installedDatabase(t, cluster);
  const requester = await connect(t, db.url);
  const id = await requestIn('running', requester, await playWorker(t, db, { url: db.url }));

  await cluster.stop();
  await writeFile(join(cluster.dataDirectory ?? '', 'standby.signal'), '');
  await cluster.start();
  t.is(await session(await connect(t, db.url), id), 'unknown');
});

async function setUp(t: ExecutionContext) {
  const db = await installedDatabase(t);
  const worker = await playWorker(t, db);
  return { db, worker, requester: await asRole(t, db, 'requester'), reader: await asRole(t, db, 'reader') };
}

/** What the server does by chance, and an attacker by connecting often enough. */
async function reusePid(db: InstalledDatabase, table: string, by: SqlClient, where: string): Promise<void> {
  const superuser = await openClient(db.url);
  await superuser.query(`set session_replication_role = replica`);
  await superuser.query(`update holdfast.${table} set pid = ${by.pid} where ${where}`);
  await superuser.close();
}

async function session(client: SqlClient, id: string): Promise<unknown> {
  const [row] = await client.query('select session from holdfast.backup_status where id = $1', [id]);
  return row?.['session'] ?? null;
}
