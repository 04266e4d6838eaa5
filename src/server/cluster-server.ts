/**
 * The connections of a worker to one cluster. The monitor session is always free for queries (locks, archive
 * status) while backup sessions are busy. One spare backup session is opened in advance, so that a request does
 * not have to wait for a connection.
 */
import { Connection, type ConnectOptions } from '../database/connection.ts';
import {
  identifySession,
  serverPlaceOf,
  sourceOf,
  walSegmentSize,
  type SessionIdentity,
} from './server-queries.ts';
import { ArchiveWatch } from './archive-watch.ts';
import { hasWritten } from './own-directory.ts';
import { warmUp } from './warm-up.ts';
import { randomLockKey } from '../database/random-key.ts';
import type { Log } from '../log.ts';
import { HoldfastError, messageOf } from '../errors.ts';

/** The cluster, and how a worker reaches the cluster. */
export interface ClusterServerOptions {
  name: string;
  connect: ConnectOptions;
  /** The data directory on this host; undefined: the path is the same as on the server. */
  dataDirectory: string | undefined;
  /** The archive of the server on this host; undefined: not known, or the archive cannot be read. */
  archiveDirectory: string | undefined;
  /** Called whenever a new monitor session has been opened. */
  onMonitor: (monitor: ServerSession) => void;
  log: Log;
}

/** A session of the worker on the server. Other workers recognize the session by its advisory lock. */
export interface ServerSession {
  db: Connection;
  /** The key of the advisory lock. */
  lockKey: string;
  identity: SessionIdentity;
}

/** One cluster, as a worker reaches it. */
export class ClusterServer {
  readonly name: string;
  readonly archiveDirectory: string | undefined;
  readonly archive = new ArchiveWatch(async () => (await this.monitor()).db);
  readonly #options: ClusterServerOptions;
  #monitor: Promise<ServerSession> | undefined;
  #spare: Promise<ServerSession | undefined> | undefined;
  /** When the spare session last answered, as in performance.now(). */
  #spareSeen = 0;
  #segmentSize: number | undefined;
  #systemIdentifier: string | undefined;
  #closed = false;

  constructor(options: ClusterServerOptions) {
    this.#options = options;
    this.name = options.name;
    this.archiveDirectory = options.archiveDirectory;
  }

  /**
   * Returns the monitor session, and opens the session if there is none.
   * @throws HoldfastError where the server cannot be reached
   */
  monitor(): Promise<ServerSession> {
    if (this.#monitor) return this.#monitor;
    const opening: Promise<ServerSession> = this.#openMonitor(() => {
      if (this.#monitor === opening) this.#monitor = undefined;
    });
    this.#monitor = opening;
    return opening;
  }

  /**
   * Returns a session for one backup; the caller closes the session. The spare session is used if there is one;
   * the next spare session is opened a moment later.
   */
  async takeSession(): Promise<ServerSession> {
    const taken = this.#spare;
    this.#spare = undefined;
    this.#prepareSoon();
    const spare = await taken;
    if (spare === undefined || spare.db.isLost) return this.#open('backup session');
    const isFresh = performance.now() - this.#spareSeen < trustedFor;
    return isFresh || (await answers(spare.db)) ? spare : this.#open('backup session');
  }

  /** Opens the spare session for the next request. A failure is reported when a session is needed. */
  prepare(): void {
    if (this.#closed || this.#spare) return;
    const opening: Promise<ServerSession | undefined> = this.#openWarm().catch((error: unknown) => {
      this.#options.log.debug('no spare session', { cluster: this.name, reason: messageOf(error) });
      if (this.#spare === opening) this.#spare = undefined;
      return undefined;
    });
    this.#spare = opening;
  }

  /** Waits before opening: a new connection would slow down the client that waits for a start or a stop now. */
  #prepareSoon(): void {
    setTimeout(() => this.prepare(), prepareAfter).unref();
  }

  /** The WAL segment size of the server. Bytes. */
  async segmentSize(): Promise<number> {
    this.#segmentSize ??= await walSegmentSize((await this.monitor()).db);
    return this.#segmentSize;
  }

  /** The configured data directory, or else the data_directory of the server. */
  async dataDirectory(): Promise<string> {
    return this.#options.dataDirectory ?? (await sourceOf((await this.monitor()).db)).dataDirectory;
  }

  /** The system identifier of the server; while the server cannot be reached, the last known system identifier. */
  async systemIdentifier(): Promise<string> {
    try {
      const { db } = await this.monitor();
      this.#systemIdentifier = (await sourceOf(db)).systemIdentifier;
    } catch (error) {
      if (this.#systemIdentifier === undefined) throw error;
    }
    return this.#systemIdentifier;
  }

  /** Whether the server answers now, and runs on that data directory. */
  async runsOn(dataDirectory: string): Promise<boolean> {
    return this.monitor()
      .then(({ db }) => hasWritten(db, dataDirectory))
      .catch(() => false);
  }

  /** Closes the monitor session and the spare session. */
  async close(): Promise<void> {
    this.#closed = true;
    const [spare, monitor] = await Promise.all([this.#spare, this.#monitor?.catch(() => undefined)]);
    await Promise.all([spare?.db.close(), monitor?.db.close()]);
  }

  async #openMonitor(onLost: () => void): Promise<ServerSession> {
    try {
      const monitor = await this.#open('monitor');
      monitor.db.onLost(onLost);
      this.#options.onMonitor(monitor);
      return monitor;
    } catch (error) {
      onLost();
      throw error;
    }
  }

  /**
   * Opens a session and runs the queries of a start once: the first queries of a new backend are several times
   * slower.
   */
  async #openWarm(): Promise<ServerSession> {
    const session = await this.#open('backup session');
    // a failure is reported when the session is needed
    await warmUp(session.db).catch(() => undefined);
    this.#spareSeen = performance.now();
    return session;
  }

  async #open(purpose: string): Promise<ServerSession> {
    const db = await Connection.open({ ...this.#options.connect, applicationName: `holdfast ${purpose}` });
    try {
      await refuseToStay(db);
      await db.disableTimeouts();
      db.prepareStatements();
      const lockKey = randomLockKey();
      return { db, lockKey, identity: await identifySession(db, lockKey) };
    } catch (error) {
      if (!db.isLost) await db.close();
      throw error;
    }
  }
}

/** Milliseconds before the next spare session is opened. */
const prepareAfter = 1000;
/**
 * Milliseconds for which the spare session is used without a test query. A closed connection is noticed at once.
 */
const trustedFor = 10_000;
/** Milliseconds for the answer to a test query. The server may have died unnoticed. */
const answerWithin = 2000;

async function answers(db: Connection): Promise<boolean> {
  return db.query('select 1', [], { timeout: answerWithin }).then(
    () => true,
    () => false,
  );
}

/**
 * Refuses a connection pooler and a template database before anything is set or locked: a pooler would leave
 * settings and locks to the next client of the session.
 * @throws HoldfastError `pooler`, `template_database`
 */
async function refuseToStay(db: Connection): Promise<void> {
  const { pid, database, isTemplate } = await serverPlaceOf(db);
  if (pid !== db.backendKey) {
    throw new HoldfastError(
      'failed',
      'the cluster is reached through a connection pooler, which may give the session away',
      {
        code: 'pooler',
        hint: 'set the url of the cluster to PostgreSQL itself (host and port of the server, not of pgbouncer)',
      },
    );
  }
  if (isTemplate) {
    throw new HoldfastError(
      'failed',
      `database "${database}" is a template: a session in it would block CREATE DATABASE`,
      { code: 'template_database', hint: 'set the url of the cluster to another database, such as postgres' },
    );
  }
}
