// Clients that give up: during a spread checkpoint, which takes minutes, and in the middle of a CALL.
import type { ExecutionContext } from 'ava';
import { backup, isConnected, startBackup, untilState } from '../support/backups.ts';
import { noOwnCluster, ownCluster } from '../support/cluster.ts';
import { eventually, eventuallyRow } from '../support/eventually.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { noPsql, startPsql } from '../support/psql.ts';
import { startWorkerProcess } from '../support/process.ts';
import { cancel, request } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noOwnCluster);

async function setup(t: ExecutionContext) {
  // A checkpoint that is spread takes some 4 minutes here, once there is something to write.
  const settings = { checkpoint_timeout: '5min', checkpoint_completion_target: '0.9' };
  const cluster = await ownCluster(t, { settings });
  const db = await installedDatabase(t, cluster);
  const worker = await startWorkerProcess(t, { url: db.url });
  const client = await connect(t, db.url);
  await client.query(
    'create table pages as select n, repeat($1, 500) as filler from generate_series(1, 20000) n',
    ['x'],
  );
  return { cluster, db, worker, client };
}

type Setup = Awaited<ReturnType<typeof setup>>;

/** A request in the middle of its checkpoint, and the session that waits for it. */
async function inCheckpoint({ client }: Setup, label: string) {
  const held = await eventuallyRow<{ id: string; pid: number }>(
    client,
    `select r.id, r.pid from holdfast.backup_request r join pg_stat_activity a on a.pid = r.pid
     where r.label = $1 and r.state = 'starting' and a.state = 'active' and a.query like '%_backup%'`,
    [label],
  );
  return { ...held, untilGone: () => untilGone(client, held.pid) };
}

type Client = Setup['client'];

function untilGone(client: Client, pid: number) {
  return eventually('the server session ends', async () => !(await isConnected(client, pid)), {
    within: 2000,
  });
}

test('a backup cancelled during a spread checkpoint leaves neither a session nor a backup behind', async (t) => {
  const scene = await setup(t);
  const { client } = scene;
  const id = await request(client, { label: 'spread' });
  const { untilGone } = await inCheckpoint(scene, 'spread');
  await cancel(client, id);
  await untilGone();
  t.is((await backup(client, id)).state, 'cancelled');
  // Since 15 there is no function to ask; but the next one starts and stops as if nothing had been.
  const next = await startBackup(client);
  await client.query(`update holdfast.backup_request set state = 'done' where id = $1`, [next.id]);
  t.regex(String((await untilState(client, next.id, 'complete')).backup_label), /^START WAL LOCATION/);
});

test('start_backup that times out by its own timeout cancels its request', async (t) => {
  const scene = await setup(t);
  const call = scene.client.query(`call holdfast.start_backup('own', timeout => '1500 ms')`);
  const other = { ...scene, client: await connect(t, scene.db.url) };
  const { id, untilGone } = await Promise.race([
    inCheckpoint(other, 'own'),
    call.then(() => t.fail() as never),
  ]);
  await t.throwsAsync(call, {
    message: /timed out waiting for backup request \d+ to be running: it is cancelled/,
  });
  await untilGone();
  t.is((await backup(other.client, id)).state, 'cancelled');
});

test('start_backup that runs into statement_timeout cancels its request', async (t) => {
  const scene = await setup(t);
  const caller = await connect(t, scene.db.url);
  await caller.query(`set statement_timeout = '1500 ms'`);
  const call = caller.query(`call holdfast.start_backup('limit')`).catch((error: Error) => error.message);
  const { id, untilGone } = await inCheckpoint(scene, 'limit');
  t.regex(String(await call), /interrupted: backup request \d+ is cancelled/);
  await untilGone();
  t.is((await backup(scene.client, id)).state, 'cancelled');
});

testWhen(noOwnCluster, noPsql)('Ctrl-C in psql during start_backup cancels its request', async (t) => {
  const scene = await setup(t);
  const psql = await startPsql(t, scene.db.url, ['-c', `call holdfast.start_backup('ctrl-c')`]);
  const { id, untilGone } = await inCheckpoint(scene, 'ctrl-c');
  psql.kill('SIGINT');
  t.regex((await psql.exited).stderr, /interrupted: backup request \d+ is cancelled/);
  await untilGone();
  t.is((await backup(scene.client, id)).state, 'cancelled');
});

testWhen(noOwnCluster, noPsql)(
  'stop_backup that is interrupted in any way lets the backup finish by itself',
  async (t) => {
    const scene = await setup(t);
    const { cluster, client, db } = scene;
    for (const label of ['ctrl-c', 'limit', 'own']) await startBackup(client, { label });
    await cluster.archiving.fail();

    const psql = await startPsql(t, db.url, ['-c', `call holdfast.stop_backup('ctrl-c')`]);
    await eventuallyRow(
      client,
      `select from holdfast.backup_request where label = 'ctrl-c' and state = 'archiving'`,
    );
    psql.kill('SIGINT');
    t.regex((await psql.exited).stderr, /interrupted: backup request \d+ is archiving/);
    const caller = await connect(t, db.url);
    await t.throwsAsync(caller.query(`call holdfast.stop_backup('own', timeout => '300 ms')`), {
      message: /timed out/,
    });
    await caller.query(`set statement_timeout = '300 ms'`);
    await t.throwsAsync(caller.query(`call holdfast.stop_backup('limit')`), { message: /interrupted/ });

    await cluster.archiving.recover();
    const rows = await client.query<{ id: string }>('select id from holdfast.backup_request order by id');
    for (const { id } of rows) t.truthy((await untilState(client, id, 'complete')).backup_label);
  },
);
