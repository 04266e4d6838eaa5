/**
 * One cluster as the worker reaches it: a companion session that is always free to look (at locks, at the
 * archiver) while backup sessions are busy, and one spare backup session, opened ahead, so that a request
 * does not pay for the connection.
 */
import { Connection, type ConnectOptions } from '../control/connection.ts';
import { identify, placeOf, walSegmentSize } from '../control/targets.ts';
import { randomKey } from '../control/random-key.ts';
import type { Log } from '../log.ts';
import { HoldfastError, messageOf } from '../errors.ts';

export interface TargetOptions {
  name: string;
  connect: ConnectOptions;
  /** Where the server's files are, if not where the server says. */
  dataDirectory: string | undefined;
  /** Where the server's archived WAL is, if that can be read here. */
  archiveDirectory: string | undefined;
  log: Log;
}

export interface Companion {
  db: Connection;
  pid: number;
  /** The lock that tells another worker whether this one is there. */
  lockKey: string;
}

export class Target {
  readonly name: string;
  readonly dataDirectory: string | undefined;
  readonly archiveDirectory: string | undefined;
  readonly #options: TargetOptions;
  #companion: Promise<Companion> | undefined;
  #spare: Promise<Connection | undefined> | undefined;
  #segmentSize: number | undefined;
  #closed = false;

  constructor(options: TargetOptions) {
    this.#options = options;
    this.name = options.name;
    this.dataDirectory = options.dataDirectory;
    this.archiveDirectory = options.archiveDirectory;
  }

  companion(): Promise<Companion> {
    if (this.#companion) return this.#companion;
    const opening: Promise<Companion> = this.#openCompanion(() => {
      if (this.#companion === opening) this.#companion = undefined;
    });
    this.#companion = opening;
    return opening;
  }

  /** A connection for one backup session; the caller closes it. */
  async connect(): Promise<Connection> {
    const taken = this.#spare;
    this.#spare = undefined;
    const spare = await taken;
    return spare !== undefined && !spare.isLost ? spare : this.#open('backup session');
  }

  /** Opens the spare for the next request; a failure shows when it is needed. */
  prepare(): void {
    if (this.#closed || this.#spare) return;
    const opening: Promise<Connection | undefined> = this.#open('backup session').catch((error: unknown) => {
      this.#options.log.debug('no spare session', { cluster: this.name, reason: messageOf(error) });
      if (this.#spare === opening) this.#spare = undefined;
      return undefined;
    });
    this.#spare = opening;
  }

  /** Bytes. */
  async segmentSize(): Promise<number> {
    this.#segmentSize ??= await walSegmentSize((await this.companion()).db);
    return this.#segmentSize;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const [spare, companion] = await Promise.all([this.#spare, this.#companion?.catch(() => undefined)]);
    await Promise.all([spare?.close(), companion?.db.close()]);
  }

  async #openCompanion(onLost: () => void): Promise<Companion> {
    try {
      const db = await this.#open('companion');
      db.onLost(onLost);
      const lockKey = randomKey();
      const { pid } = await identify(db, lockKey).catch((error: unknown) => {
        db.cut();
        throw error;
      });
      return { db, pid, lockKey };
    } catch (error) {
      onLost();
      throw error;
    }
  }

  async #open(purpose: string): Promise<Connection> {
    const db = await Connection.open({ ...this.#options.connect, applicationName: `holdfast ${purpose}` });
    try {
      await refuseToStay(db);
      await db.makeLasting();
    } catch (error) {
      await db.close();
      throw error;
    }
    return db;
  }
}

/** Before anything is set or locked: behind a pooler that would be left to whoever gets the session next. */
async function refuseToStay(db: Connection): Promise<void> {
  const { pid, database, isTemplate } = await placeOf(db);
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
