/**
 * The worker's one session on the control database: it holds the worker's lock (which is what makes the
 * worker alive to everybody, and its moves its own), stands witness for backup sessions on other servers,
 * and does every read and write, one after another. Losing it ends no backup: work waits for the next
 * connection, for as long as it takes.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { Connection, ServerError, type ConnectOptions } from '../database/connection.ts';
import { requireSchema } from './schema-version.ts';
import { explained } from './refusals.ts';
import { registerWorker, releaseLock, takeLock, type WorkerIdentity } from './worker-rows.ts';

export interface ControlLinkOptions {
  connect: ConnectOptions;
  schema: string;
  identity: WorkerIdentity;
  log: Log;
  /** The connection is there again: what happened meanwhile has to be read from the tables. */
  onReconnected: () => void;
  /** There is no use in trying again: the schema is another version's, the name taken, a pooler in between. */
  onRefused: (error: HoldfastError) => void;
}

/** Milliseconds a statement may take before the connection counts as dead, and how many of them for a lock. */
const statementLimit = 5000;
const lockLimit = 2000;
/** Milliseconds that a statement in flight is given when the link is closed. */
const closeWithin = 1000;

export class ControlLink {
  readonly #options: ControlLinkOptions;
  readonly #stopping = new AbortController();
  readonly #witnesses = new Map<number, string>();
  #connection: Connection | undefined;
  #connecting: Promise<void> | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  draining = false;
  /** The name that this worker got. */
  name = '';

  constructor(options: ControlLinkOptions) {
    this.#options = options;
  }

  /** The first connection: what is wrong with it is an error, not something to wait for. */
  async open(): Promise<void> {
    this.#connection = await this.#connect();
  }

  get serverVersion(): number {
    return this.#connection?.serverVersion ?? 0;
  }

  get isUp(): boolean {
    return this.#connection !== undefined && !this.#connection.isLost;
  }

  /**
   * Does the work on the connection, again after a lost connection or a row that somebody has locked: so the
   * work must be right when done twice. Rejects when the link is closed, or with what the server refuses.
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

  /** Does the work once; rejects at once where there is no connection. */
  async tryOnce<T>(work: (db: Connection) => Promise<T>): Promise<T> {
    if (!this.isUp) throw new Error('the control database is not reachable');
    return this.#inTurn(work);
  }

  /** From now on this lock stands for the session of that request, also after a reconnect. */
  keepWitness(id: number, key: string): void {
    this.#witnesses.set(id, key);
  }

  async releaseProxyLock(id: number): Promise<void> {
    const key = this.#witnesses.get(id);
    this.#witnesses.delete(id);
    if (key !== undefined && this.isUp)
      await this.tryOnce((db) => releaseLock(db, key)).catch(() => undefined);
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#connecting?.catch(() => undefined);
    await Promise.race([this.#queue, sleep(closeWithin, undefined, { ref: false })]); // pg cuts a busy connection
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
      await requireDirect(connection); // before anything is set: a pooler would leave that to others
      await connection.disableTimeouts();
      connection.prepareStatements();
      await connection.query(`set lock_timeout = ${lockLimit}`);
      await requireSchema(connection, schema);
      const lockKey = await takeLock(connection);
      for (const id of this.#witnesses.keys()) {
        const key = await takeLock(connection);
        if (this.#witnesses.has(id)) this.#witnesses.set(id, key); // it may have been dropped meanwhile
      }
      const known = this.name === '' ? identity : { ...identity, currentName: this.name };
      this.name = await registerWorker(connection, known, lockKey, this.draining, this.#witnesses);
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

/** LISTEN, advisory locks and the guard need a session of our own, which a pooler does not give. */
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
/** Connection exceptions, rollbacks, insufficient resources, operator intervention, errors of the system. */
const passingClasses = new Set(['08', '40', '53', '57', '58']);

/** Worth doing again: a lost connection, a server that is starting or stopping, a row that is locked. */
function isPassing(error: unknown): boolean {
  if (error instanceof ConnectionLost) return true;
  if (!(error instanceof ServerError)) return false;
  const code = error.code ?? '';
  return code === lockNotAvailable || code === readOnly || passingClasses.has(code.slice(0, 2));
}
