/**
 * One cluster as the worker reaches it: a companion session that is always free to look (at locks, at the
 * archiver) while backup sessions are busy, and one spare backup session, opened ahead, so that a request
 * does not pay for the connection.
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
import { warmUp } from './warm-up.ts';
import { randomLockKey } from '../database/random-key.ts';
import type { Log } from '../log.ts';
import { HoldfastError, messageOf } from '../errors.ts';

export interface ClusterServerOptions {
  name: string;
  connect: ConnectOptions;
  /** Where the server's files are, if not where the server says. */
  dataDirectory: string | undefined;
  /** Where the server's archived WAL is, if that can be read here. */
  archiveDirectory: string | undefined;
  /** The companion is another session from now on. */
  onCompanion: (companion: ServerSession) => void;
  log: Log;
}

/** A session of ours on the server, known to everybody by the advisory lock that it holds. */
export interface ServerSession {
  db: Connection;
  lockKey: string;
  identity: SessionIdentity;
}

export class ClusterServer {
  readonly name: string;
  readonly archiveDirectory: string | undefined;
  readonly archive = new ArchiveWatch(async () => (await this.companion()).db);
  readonly #options: ClusterServerOptions;
  #companion: Promise<ServerSession> | undefined;
  #spare: Promise<ServerSession | undefined> | undefined;
  /** When the spare last answered. */
  #spareSeen = 0;
  #segmentSize: number | undefined;
  #systemIdentifier: string | undefined;
  #closed = false;

  constructor(options: ClusterServerOptions) {
    this.#options = options;
    this.name = options.name;
    this.archiveDirectory = options.archiveDirectory;
  }

  companion(): Promise<ServerSession> {
    if (this.#companion) return this.#companion;
    const opening: Promise<ServerSession> = this.#openCompanion(() => {
      if (this.#companion === opening) this.#companion = undefined;
    });
    this.#companion = opening;
    return opening;
  }

  /** A session for one backup; the caller closes it. It may be the spare: the next one is opened in a moment. */
  async takeSession(): Promise<ServerSession> {
    const taken = this.#spare;
    this.#spare = undefined;
    this.#prepareSoon();
    const spare = await taken;
    if (spare === undefined || spare.db.isLost) return this.#open('backup session');
    const isFresh = performance.now() - this.#spareSeen < trustedFor;
    return isFresh || (await answers(spare.db)) ? spare : this.#open('backup session');
  }

  /** Opens the spare for the next request; a failure shows when it is needed. */
  prepare(): void {
    if (this.#closed || this.#spare) return;
    const opening: Promise<ServerSession | undefined> = this.#openWarm().catch((error: unknown) => {
      this.#options.log.debug('no spare session', { cluster: this.name, reason: messageOf(error) });
      if (this.#spare === opening) this.#spare = undefined;
      return undefined;
    });
    this.#spare = opening;
  }

  /** Opening a session at once would slow down whoever is waiting for a start or a stop now. */
  #prepareSoon(): void {
    setTimeout(() => this.prepare(), prepareAfter).unref();
  }

  /** Bytes. */
  async segmentSize(): Promise<number> {
    this.#segmentSize ??= await walSegmentSize((await this.companion()).db);
    return this.#segmentSize;
  }

  /** As configured for this host, or else as the server says. */
  async dataDirectory(): Promise<string> {
    return this.#options.dataDirectory ?? (await sourceOf((await this.companion()).db)).dataDirectory;
  }

  /** As the server says; while it is away, as it said last. */
  async systemIdentifier(): Promise<string> {
    try {
      const { db } = await this.companion();
      this.#systemIdentifier = (await sourceOf(db)).systemIdentifier;
    } catch (error) {
      if (this.#systemIdentifier === undefined) throw error;
    }
    return this.#systemIdentifier;
  }

  /** Whether the server does, now. */
  async answers(): Promise<boolean> {
    return this.companion().then(
      ({ db }) => answers(db),
      () => false,
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    const [spare, companion] = await Promise.all([this.#spare, this.#companion?.catch(() => undefined)]);
    await Promise.all([spare?.db.close(), companion?.db.close()]);
  }

  async #openCompanion(onLost: () => void): Promise<ServerSession> {
    try {
      const companion = await this.#open('companion');
      companion.db.onLost(onLost);
      this.#options.onCompanion(companion);
      return companion;
    } catch (error) {
      onLost();
      throw error;
    }
  }

  /** With what a start will ask looked up once: a new backend is several times slower the first time. */
  async #openWarm(): Promise<ServerSession> {
    const session = await this.#open('backup session');
    await warmUp(session.db).catch(() => undefined); // what is wrong with it shows when it is needed
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

/** Milliseconds. */
const prepareAfter = 1000;
/** Milliseconds for which the spare is taken without asking it: a connection that is closed says so itself. */
const trustedFor = 10_000;
/** Milliseconds for a sign of life from the spare, which may have died unnoticed. */
const answerWithin = 2000;

async function answers(db: Connection): Promise<boolean> {
  return db.query('select 1', [], { timeout: answerWithin }).then(
    () => true,
    () => false,
  );
}

/** Before anything is set or locked: behind a pooler that would be left to whoever gets the session next. */
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
