/**
 * The session of a worker on the control database. The session holds the lock of the worker, which proves
 * that the worker is alive and may move its requests. The session also holds the proxy locks for backup sessions
 * on other servers. Reads and writes go through this session, one after another. No backup ends if the session is
 * lost: work waits for the next connection without time limit.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { Connection, ServerError, type ConnectOptions } from '../database/connection.ts';
import { requireSchema } from './schema-version.ts';
import { explained } from './refusals.ts';
import { registerWorker, releaseLock, takeLock, type WorkerIdentity } from './worker-rows.ts';

/** How a worker connects to the control database. */
export interface ControlLinkOptions {
  connect: ConnectOptions;
  schema: string;
  identity: WorkerIdentity;
  log: Log;
  /** Called after a reconnect. Changes that were made meanwhile have to be read from the tables. */
  onReconnected: () => void;
  /**
   * Called when another attempt is useless: the schema has another version, the name of the worker is taken, or a
   * connection pooler is in between.
   */
  onRefused: (error: HoldfastError) => void;
}

/** Milliseconds for a statement before the connection counts as lost. */
const statementLimit = 5000;
/** Milliseconds for a lock (lock_timeout). */
const lockLimit = 2000;
/** Milliseconds for a running statement when the link is closed. */
const closeWithin = 1000;

/** A session on the control database that reconnects. */
export class ControlLink {
  readonly #options: ControlLinkOptions;
  readonly #stopping = new AbortController();
  readonly #proxyLocks = new Map<number, string>();
  readonly #aside = new Set<Connection>();
  #connection: Connection | undefined;
  #connecting: Promise<void> | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  /** Whether the worker is stopping; written to its row on reconnect. */
  draining = false;
  /** The name under which this worker is registered; '' before the first connection. */
  name = '';

  constructor(options: ControlLinkOptions) {
    this.#options = options;
  }

  /** Opens the first connection. A failure is an error here and is not tried again. */
  async open(): Promise<void> {
    this.#connection = await this.#connect();
  }

  /** As in server_version_num; 0: no connection yet. */
  get serverVersion(): number {
    return this.#connection?.serverVersion ?? 0;
  }

  get isUp(): boolean {
    return this.#connection !== undefined && !this.#connection.isLost;
  }

  /**
   * Calls `work` with the connection, and again after a lost connection or a lock timeout, so `work` must be
   * correct when done twice. Rejects when the link is closed, the signal is aborted, or the server reports any
   * other error.
   */
  async run<T>(work: (db: Connection) => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (let pause = 20; ; pause = Math.min(pause * 2, 500)) {
      signal?.throwIfAborted();
      try {
        return await this.#inTurn(work);
      } catch (error) {
        if (this.#stopping.signal.aborted) throw error;
        if (!isPassing(error)) throw error;
        await sleep(pause, undefined, { signal: this.#anyOf(signal) }).catch(() => undefined);
        if (this.#stopping.signal.aborted) throw error;
      }
    }
  }

  /** Calls `work` once. Rejects at once if there is no connection. */
  async tryOnce<T>(work: (db: Connection) => Promise<T>): Promise<T> {
    if (!this.isUp) throw new Error('the control database is not reachable');
    return this.#inTurn(work);
  }

  /**
   * Calls `work` once with a connection of its own, for statements that may wait for locks of others: all other
   * work of the worker waits for the session of the link. `limit`: milliseconds for a statement before the connection
   * counts as lost. Rejects when the link is closed.
   */
  async aside<T>(work: (db: Connection) => Promise<T>, limit: number): Promise<T> {
    this.#stopping.signal.throwIfAborted();
    const connection = await Connection.open({ ...this.#options.connect, schema: this.#options.schema });
    this.#aside.add(connection);
    try {
      if (this.#stopping.signal.aborted) connection.cut();
      connection.limitStatements(limit);
      await connection.disableTimeouts();
      return await work(connection);
    } finally {
      await connection.close();
      this.#aside.delete(connection);
    }
  }

  /** From now on, this proxy lock stands for the backup session of the request, also after a reconnect. */
  keepProxyLock(id: number, key: string): void {
    this.#proxyLocks.set(id, key);
  }

  /** Releases the proxy lock of a request, if there is one. */
  async releaseProxyLock(id: number): Promise<void> {
    const key = this.#proxyLocks.get(id);
    this.#proxyLocks.delete(id);
    if (key !== undefined && this.isUp)
      await this.tryOnce((db) => releaseLock(db, key)).catch(() => undefined);
  }

  /** Closes the link. Work that waits for a connection rejects. */
  async close(): Promise<void> {
    this.#stopping.abort();
    for (const connection of this.#aside) connection.cut(new Error('the link is closed'));
    await this.#connecting?.catch(() => undefined);
    // Connection.close() cuts a connection that is still busy
    await Promise.race([this.#queue, sleep(closeWithin, undefined, { ref: false })]);
    await this.#connection?.close();
  }

  #inTurn<T>(work: (db: Connection) => Promise<T>): Promise<T> {
    const turn = this.#queue.then(async () => {
      const connection = await this.#current();
      try {
        return await work(connection);
      } catch (error) {
        throw connection.isLost ? new ConnectionLost(error) : error;
      }
    });
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  async #current(): Promise<Connection> {
    if (!this.isUp) {
      this.#connecting ??= this.#reconnect().finally(() => (this.#connecting = undefined));
      await this.#connecting;
    }
    if (this.#connection === undefined) throw new Error('the control database is not reachable');
    return this.#connection;
  }

  async #reconnect(): Promise<void> {
    const { log } = this.#options;
    for (let pause = 100; ; pause = Math.min(pause * 2, 1000)) {
      this.#stopping.signal.throwIfAborted();
      try {
        this.#connection = await this.#connect();
        log.info('connected to the control database again');
        queueMicrotask(this.#options.onReconnected);
        return;
      } catch (error) {
        log.warning('cannot reach the control database and tries again', { reason: messageOf(error) });
        if (error instanceof HoldfastError && error.kind === 'usage') this.#options.onRefused(error);
        await sleep(pause, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      }
    }
  }

  async #connect(): Promise<Connection> {
    const { schema, identity, log } = this.#options;
    const connection = await Connection.open({ ...this.#options.connect, schema });
    try {
      connection.limitStatements(statementLimit);
      await requireDirect(connection); // before any setting: a pooler would leave the settings to other clients
      await connection.disableTimeouts();
      connection.prepareStatements();
      await connection.query(`set lock_timeout = ${lockLimit}`);
      await requireSchema(connection, schema);
      const lockKey = await takeLock(connection);
      for (const id of this.#proxyLocks.keys()) {
        const key = await takeLock(connection);
        // the proxy lock may have been released meanwhile
        if (this.#proxyLocks.has(id)) this.#proxyLocks.set(id, key);
      }
      const known = this.name === '' ? identity : { ...identity, currentName: this.name };
      this.name = await registerWorker(connection, known, {
        lockKey,
        draining: this.draining,
        proxyLocks: this.#proxyLocks,
      });
      connection.onLost((reason) => {
        if (!this.#stopping.signal.aborted)
          log.warning('lost the control database', { reason: messageOf(reason) });
        if (!this.#stopping.signal.aborted) void this.run(async () => undefined).catch(() => undefined);
      });
      return connection;
    } catch (error) {
      const reason = await explained(connection, schema, error, `"${schema}_worker"`).catch(() => error);
      connection.cut();
      throw reason;
    }
  }

  #anyOf(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#stopping.signal : AbortSignal.any([signal, this.#stopping.signal]);
  }
}

/**
 * Refuses a connection pooler: LISTEN, advisory locks and the guard trigger need a session that is not shared.
 * @throws HoldfastError `pooler`
 */
async function requireDirect(connection: Connection): Promise<void> {
  const [row] = await connection.run('worker', 'backend');
  if (row?.pid === connection.backendKey) return;
  throw new HoldfastError('usage', 'the control database is reached through a connection pooler', {
    code: 'pooler',
    hint: 'connect the worker to PostgreSQL itself (host and port of the server, not of pgbouncer)',
  });
}

class ConnectionLost extends Error {
  constructor(cause: unknown) {
    super(messageOf(cause), { cause });
  }
}

const lockNotAvailable = '55P03';
const readOnly = '25006';
/**
 * SQLSTATE classes: connection exceptions, rollbacks, insufficient resources, operator intervention, system
 * errors.
 */
const passingClasses = new Set(['08', '40', '53', '57', '58']);

/**
 * Whether the work should be tried again: the connection was lost, the server is starting or stopping, or a row is
 * locked.
 */
function isPassing(error: unknown): boolean {
  if (error instanceof ConnectionLost) return true;
  if (!(error instanceof ServerError)) return false;
  const code = error.code ?? '';
  return code === lockNotAvailable || code === readOnly || passingClasses.has(code.slice(0, 2));
}
