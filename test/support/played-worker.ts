// A worker played by hand: what the real one does to the control database, step by step, in plain SQL.
import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { eventually } from './eventually.ts';
import { asRole, type InstalledDatabase } from './installed-database.ts';
import { connect, openClient, type SqlClient } from './sql-client.ts';

export interface PlayedWorker {
  /** Its session on the control database, which holds its lock and makes all its moves. */
  readonly client: SqlClient;
  readonly name: string;
  readonly instance: string;
  readonly lockKey: string;
  /** requested → starting, with a session that holds its lock from before that until it dies. */
  claim(id: string, session?: SqlClient): Promise<PlayedSession>;
  /** Claims and starts: what the client sees as running. */
  run(id: string): Promise<PlayedSession>;
  /** One move, with the columns that it needs. */
  move(id: string, to: string): Promise<void>;
  /** Its session is gone from the server, and with it its lock. */
  die(): Promise<void>;
}

/**
 * From now on the worker does by itself what it has to: runs what is requested and completes what is done.
 * Ask it for nothing else meanwhile.
 */
export function letWork(t: ExecutionContext, worker: PlayedWorker): void {
  let working = true;
  const work = async () => {
    while (working) {
      const due = await worker.client.query<{ id: string; state: string }>(
        `select id, state from holdfast.backup_request where state in ('requested', 'done', 'archiving')`,
      );
      for (const { id, state } of due) {
        if (state === 'requested') await worker.run(id);
        else await worker.move(id, state === 'done' ? 'archiving' : 'complete');
      }
      await sleep(5);
    }
  };
  const finished = work();
  t.teardown(async () => {
    working = false;
    await finished;
  });
}

export interface PlayedSession {
  readonly client: SqlClient;
  readonly lockKey: string;
  die(): Promise<void>;
}

export interface PlayedWorkerOptions {
  clusters?: string[];
  /** Default: a new login of the role holdfast_worker. */
  url?: string;
  name?: string;
}

/** What a worker writes together with a state. LSNs of eight digits have the same text on every version. */
const columnsOf: Record<string, string> = {
  starting: `, worker = 'played', pid = 1, backend_start = now()`,
  running: `, start_lsn = '0/20000028', start_wal = '000000010000000000000020', timeline = 1,
    system_identifier = 7000000000000000001, server_version = '18.4'`,
  archiving: `, stop_lsn = '0/20000138', stop_wal = '000000010000000000000020',
    backup_label = E'START WAL LOCATION: 0/20000028 (file 000000010000000000000020)\\n'`,
  failed: `, error_code = 'played', error = 'it failed'`,
};

/** A worker's move to that state, of the request $1. */
export function moveTo(state: string): string {
  return `update holdfast.backup_request set state = '${state}'${columnsOf[state] ?? ''} where id = $1`;
}

export async function playWorker(
  t: ExecutionContext,
  db: InstalledDatabase,
  options: PlayedWorkerOptions = {},
): Promise<PlayedWorker> {
  const url = options.url ?? (await asRole(t, db, 'worker')).url;
  const client = await connect(t, url);
  const name = options.name ?? `played-${randomBytes(3).toString('hex')}`;
  const instance = randomUUID();
  const lockKey = randomKey();
  await client.query('select pg_advisory_lock($1)', [lockKey]);
  await client.query(
    `insert into holdfast.worker (name, instance, clusters, version, host, host_pid, pid, lock_key)
     values ($1, $2, $3, '0.0.0', 'stage', 1, pg_backend_pid(), $4)`,
    [name, instance, options.clusters ?? ['main'], lockKey],
  );

  const move = async (id: string, to: string) => {
    await client.query(moveTo(to), [id]);
  };
  const claim = async (id: string, existing?: SqlClient) => {
    const session = existing ?? (await connect(t, url));
    const key = randomKey();
    await session.query('select pg_advisory_lock($1)', [key]);
    await client.query('begin');
    await client.query(
      `update holdfast.backup_request set state = 'starting', worker = $2, pid = $3, backend_start = now()
       where id = $1`,
      [id, name, session.pid],
    );
    await client.query(
      `insert into holdfast.backup_session (request_id, instance, lock_key, login, database)
       values ($1, $2, $3, holdfast.lock_holder(holdfast.this_database(), $3, $4), holdfast.this_database())`,
      [id, instance, key, session.pid],
    );
    await client.query('commit');
    return { client: session, lockKey: key, die: () => end(session, db.url) };
  };
  const run = async (id: string) => {
    const session = await claim(id);
    await move(id, 'running');
    return session;
  };
  return { client, name, instance, lockKey, claim, run, move, die: () => end(client, db.url) };
}

async function end(client: SqlClient, url: string): Promise<void> {
  await client.close();
  const watcher = await openClient(url);
  try {
    await eventually(`session ${client.pid} is gone`, async () => {
      const there = await watcher.query('select from pg_stat_activity where pid = $1', [client.pid]);
      return there.length === 0;
    });
  } finally {
    await watcher.close();
  }
}

/** As the real worker draws them: 64 random bits, as text. */
export function randomKey(): string {
  return randomBytes(8).readBigInt64LE().toString();
}
