// Clients that give up: during a spread checkpoint, which takes minutes, and in the middle of a CALL.
import type { ExecutionContext } from 'ava';
import { backup, completeBackup, isConnected, startBackup, untilState } from '../support/backups.ts';
import { noOwnCluster, ownCluster } from '../support/cluster.ts';
import { eventually, eventuallyRow } from '../support/eventually.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { noPsql, startPsql } from '../support/psql.ts';
import { startWorkerProcess } from '../support/process.ts';
import { cancel, request } from '../support/requests.ts';
import { connect, type SqlClient } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noOwnCluster);

async function setup(t: ExecutionContext) {
  // A checkpoint that is spread takes some 4 minutes here, once there is something to write.
  const settings = { checkpoint_timeout: '5min', checkpoint_completion_target: '0.9' };
  const cluster = await ownCluster(t, { settings, installed: true });
  const db = await installedDatabase(t, cluster);
  const worker = await startWorkerProcess(t, { url: db.url });
  const client = await connect(t, db.url);
  await client.query(
    'create table pages as select n, repeat($1, 500) as filler from generate_series(1, 20000) n',
    ['x'],
  );
  return { cluster, db, worker, client };
}

/** A request in the middle of its checkpoint. */
function inCheckpoint(client: SqlClient, label: string): Promise<{ id: string; pid: number }> {
  return eventuallyRow(
    client,
    `select r.id, r.pid from holdfast.backup_request r join pg_stat_activity a on a.pid = r.pid
     where r.label = $1 and r.state = 'starting' and a.state = 'active' and a.query like '%_backup%'`,
    [label],
  );
}

async function cancelledWithoutTrace(
  t: ExecutionContext,
  client: SqlClient,
  { id, pid }: { id: string; pid: number },
) {
  await eventually('the server session ends', async () => !(await isConnected(client, pid)), {
    within: 2000,
  });
  t.is((await backup(client, id)).state, 'cancelled');
}

/**
 * By what start_backup catches; or, where it hit between two of its transactions, by the worker that misses the caller.
 * Where it hit while the first was said, that has happened all the same.
 */
async function interruptedWithoutTrace(
  t: ExecutionContext,
  client: SqlClient,
  held: { id: string; pid: number },
  message: string,
) {
  if (/interrupted: backup request \d+ is cancelled/.test(message)) {
    return cancelledWithoutTrace(t, client, held);
  }
  t.regex(message, /canceling statement due to/);
  const ended = await eventuallyRow<{ state: string; error_code: string | null }>(
    client,
    `select state, error_code from holdfast.backup_request where id = $1 and state in ('failed', 'cancelled')`,
    [held.id],
  );
  t.is(ended.error_code, ended.state === 'failed' ? 'caller_gone' : null);
  await eventually('the server session ends', async () => !(await isConnected(client, held.pid)), {
    within: 2000,
  });
}

test('a backup cancelled during a spread checkpoint leaves neither a session nor a backup behind', async (t) => {
  const { client } = await setup(t);
  await request(client, { label: 'spread' });
  const held = await inCheckpoint(client, 'spread');
  await cancel(client, held.id);
  await cancelledWithoutTrace(t, client, held);
  // The next one starts and stops as if nothing had been.
  const next = await completeBackup(client, (await startBackup(client)).id);
  t.regex(String(next.backup_label), /^START WAL LOCATION/);
});

test('start_backup that times out by its own timeout cancels its request', async (t) => {
  const { db, client } = await setup(t);
  const caller = await connect(t, db.url);
  const call = messageOf(caller.query(`call holdfast.start_backup('own', timeout => '4 s')`));
  const held = await inCheckpoint(client, 'own');
  t.regex(await call, /timed out waiting for backup request \d+ to be running: it is cancelled/);
  await cancelledWithoutTrace(t, client, held);
});

test('start_backup that runs into statement_timeout cancels its request', async (t) => {
  const { db, client } = await setup(t);
  const caller = await connect(t, db.url);
  await caller.query(`set statement_timeout = '4 s'`);
  const call = messageOf(caller.query(`call holdfast.start_backup('limit')`));
  const held = await inCheckpoint(client, 'limit');
  await interruptedWithoutTrace(t, client, held, await call);
});

test('start_backup that is cancelled by pg_cancel_backend cancels its request', async (t) => {
  const { db, client } = await setup(t);
  const caller = await connect(t, db.url);
  const call = messageOf(caller.query(`call holdfast.start_backup('by others')`));
  const held = await inCheckpoint(client, 'by others');
  await client.query('select pg_cancel_backend($1)', [caller.pid]);
  await interruptedWithoutTrace(t, client, held, await call);
});

testWhen(noOwnCluster, noPsql)('Ctrl-C in psql during start_backup cancels its request', async (t) => {
  const { db, client } = await setup(t);
  const psql = await startPsql(t, db.url, ['-c', `call holdfast.start_backup('ctrl-c')`]);
  const held = await inCheckpoint(client, 'ctrl-c');
  psql.kill('SIGINT');
  await interruptedWithoutTrace(t, client, held, (await psql.exited).stderr);
});

testWhen(noOwnCluster, noPsql)(
  'stop_backup that is interrupted in any way lets the backup finish by itself',
  async (t) => {
    const { cluster, client, db } = await setup(t);
    for (const label of ['ctrl-c', 'limit', 'own']) await startBackup(client, { label });
    await cluster.archiving.fail();

    const psql = await startPsql(t, db.url, ['-c', `call holdfast.stop_backup('ctrl-c')`]);
    const release = await heldInPoll(t, client, db.url, 'ctrl-c');
    psql.kill('SIGINT');
    t.regex((await psql.exited).stderr, caught);
    await release();
    const caller = await connect(t, db.url);
    await t.throwsAsync(caller.query(`call holdfast.stop_backup('own', timeout => '300 ms')`), {
      message: /timed out/,
    });
    await caller.query(`set statement_timeout = '3 s'`);
    const limited = messageOf(caller.query(`call holdfast.stop_backup('limit')`));
    const letGoAgain = await heldInPoll(t, client, db.url, 'limit');
    t.regex(await limited, /interrupted: backup request \d+ is archiving/);
    await letGoAgain();

    await cluster.archiving.recover();
    const rows = await client.query<{ id: string }>('select id from holdfast.backup_request order by id');
    for (const { id } of rows) t.truthy((await untilState(client, id, 'complete')).backup_label);
  },
);

/**
 * The server signals whom a client cancels twice, as a process and as a group (src/backend/postmaster/postmaster.c:
 * signal_child); where the second one is late, it hits what was about to say that the first was caught.
 */
const caught =
  /interrupted: backup request \d+ is archiving|canceling statement due to user request\nCONTEXT: [^]*raise_outcome/;

/**
 * Holds the call up in the middle of a look at its request, where it catches what interrupts it; between two looks the
 * server has only its own words for that. Returns what lets it go.
 */
async function heldInPoll(
  t: ExecutionContext,
  client: SqlClient,
  url: string,
  label: string,
): Promise<() => Promise<void>> {
  const holder = await connect(t, url);
  await eventuallyRow(
    client,
    `select from holdfast.backup_request where label = $1 and state = 'archiving'`,
    [label],
  );
  await holder.query('begin');
  await holder.query('lock table holdfast.backup_session in access exclusive mode');
  await eventuallyRow(
    client,
    `select from pg_stat_activity where query like $1 and wait_event_type = 'Lock'`,
    [`call holdfast.stop_backup('${label}'%`],
  );
  return async () => {
    await holder.query('rollback');
  };
}

/** What a statement fails with. */
async function messageOf(failing: Promise<unknown>): Promise<string> {
  return failing.then(
    () => 'it succeeded',
    (error: Error) => error.message,
  );
}
