/**
 * The queue of chores, and the only importer of pg-boss, which is loaded only if there are chores. pg-boss runs on
 * the session of the worker, so that the row of a chore and its job change in one transaction. pg-boss neither
 * polls nor maintains here: the rows of backup_chore are the record of all chores, and the job of a finished chore
 * is deleted. pg-boss does three things: allows at most one active job of a queue (a cluster and a kind) among all
 * workers, sets the time of the next attempt, and counts the attempts.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import type { PgBoss } from 'pg-boss';
import { HoldfastError, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Connection } from '../database/connection.ts';
import type { ControlLink } from './control-link.ts';
import { inTurn } from './in-turn.ts';
import { quoteIdentifier, quoteLiteral } from '../database/sql-script.ts';

/** Seconds. Limits of pg-boss. */
const aDay = 86_400;
const aLongTime = 60 * 365 * aDay;
/** The oldest server version that has all functions that pg-boss calls. */
const oldestServer = 130_000;

/** A chore and its queue. */
export interface QueuedChore {
  id: number;
  cluster: string;
  kind: string;
}

/** How often a chore is tried again. */
export interface QueueRetries {
  /** Attempts after the first attempt. */
  limit: number;
  /** Seconds before the second attempt. Each further delay is longer. */
  delay: number;
  /** Seconds. */
  longestDelay: number;
}

/** The queue of chores of a control database. */
export class ChoreQueue {
  readonly #control: ControlLink;
  readonly #boss: PgBoss;
  readonly #transaction: AsyncLocalStorage<Connection>;
  readonly #queues = new Set<string>();

  private constructor(control: ControlLink, boss: PgBoss, transaction: AsyncLocalStorage<Connection>) {
    this.#control = control;
    this.#boss = boss;
    this.#transaction = transaction;
  }

  /**
   * Opens the queue.
   * @throws HoldfastError `chores_unavailable` where the server is too old or the schema of the queue is missing
   */
  static async open(control: ControlLink, schema: string, log: Log): Promise<ChoreQueue> {
    if (control.serverVersion < oldestServer) {
      throw unavailable(
        'their queue needs a control database on PostgreSQL 13 or newer',
        'everything else works; upgrade this server, or do it with the program: holdfast sync, verify, drill, expire',
      );
    }
    const { PgBoss } = await import('pg-boss');
    const transaction = new AsyncLocalStorage<Connection>();
    const turn = `LOCK TABLE ${quoteIdentifier(queueSchema(schema))}.version IN SHARE ROW EXCLUSIVE MODE`;
    const boss = new PgBoss({
      db: {
        executeSql: (text, values) => {
          const db = transaction.getStore();
          return db === undefined
            ? control.run((own) => execute(own, text, values, turn))
            : execute(db, text, values, turn);
        },
      },
      schema: quoteIdentifier(queueSchema(schema)),
      migrate: false,
      supervise: false,
      schedule: false,
      queueCacheIntervalSeconds: aDay,
    });
    boss.on('error', (error) => log.warning('the queue of chores complains', { reason: messageOf(error) }));
    try {
      await boss.start();
    } catch (error) {
      await boss.stop({ graceful: false }).catch(() => undefined);
      throw unavailable(
        messageOf(error),
        'run "holdfast install" of this release, which makes the schema of their queue; plain psql does not',
      );
    }
    return new ChoreQueue(control, boss, transaction);
  }

  /** Runs `work` in a transaction that includes all changes of the queue. */
  transaction<T>(work: (db: Connection) => Promise<T>): Promise<T> {
    return this.#control.run((db) => db.transaction(() => this.#transaction.run(db, () => work(db))));
  }

  /** Puts a chore into its queue, unless the chore is there already. Must not be called in a transaction. */
  async send(chore: QueuedChore, { limit, delay, longestDelay }: QueueRetries): Promise<void> {
    const queue = queueName(chore);
    if (!this.#queues.has(queue)) {
      await this.#boss.createQueue(queue, { policy: 'singleton' });
      await this.#boss.getQueue(queue);
      this.#queues.add(queue);
    }
    await this.#boss.send(
      queue,
      { chore: chore.id },
      {
        id: jobId(chore.id),
        retryLimit: limit,
        retryDelay: delay,
        retryBackoff: true,
        retryDelayMax: longestDelay,
        expireInSeconds: aDay,
        retentionSeconds: aLongTime,
      },
    );
  }

  /**
   * Makes the next chore of a queue active and returns its ID; undefined: no chore is due, or a chore is active.
   */
  async next(of: Omit<QueuedChore, 'id'>): Promise<number | undefined> {
    const [job] = await this.#boss.fetch<{ chore: number }>(queueName(of));
    return job?.data.chore;
  }

  /** Deletes the job of a chore. */
  async remove(chore: QueuedChore): Promise<void> {
    await this.#boss.deleteJob(queueName(chore), jobId(chore.id));
  }

  /**
   * Plans the next attempt and returns its time; undefined: no attempts are left, and the job has been deleted.
   */
  async tryAgain(chore: QueuedChore): Promise<Date | undefined> {
    const queue = queueName(chore);
    const id = jobId(chore.id);
    await this.#boss.fail(queue, id);
    const [job] = await this.#boss.findJobs(queue, { id });
    if (job?.state === 'retry') return job.startAfter;
    await this.remove(chore);
    return undefined;
  }

  /** Stops pg-boss. The session of the worker stays open. */
  async close(): Promise<void> {
    await this.#boss.stop({ graceful: false });
  }
}

/**
 * Creates or upgrades the schema of the queue and returns its name; undefined: the server is too old for pg-boss.
 */
export async function installQueue(db: Connection, schema: string): Promise<string | undefined> {
  if (db.serverVersion < oldestServer) return undefined;
  const name = queueSchema(schema);
  const quoted = quoteIdentifier(name);
  await db.query(
    `set search_path = pg_catalog, pg_temp; set client_min_messages = warning; set standard_conforming_strings = on;
     set lock_timeout = '60s'`,
  );
  const turn = `LOCK TABLE ${quoteIdentifier(schema)}.migration IN SHARE ROW EXCLUSIVE MODE`;
  try {
    await inTurn(() => makeOrUpgrade(db, name, turn));
    await db.query(grants(quoted, quoteIdentifier(`${schema}_worker`), schema));
  } finally {
    await db.query(
      'reset search_path; reset client_min_messages; reset standard_conforming_strings; reset lock_timeout',
    );
  }
  return name;
}

async function makeOrUpgrade(db: Connection, name: string, turn: string): Promise<void> {
  const { getConstructionPlans, getMigrationPlans, PgBoss } = await import('pg-boss');
  const quoted = quoteIdentifier(name);
  await refuseForeign(db, name);
  const boss = new PgBoss({
    db: { executeSql: (text, values) => execute(db, text, values) },
    schema: quoted,
  });
  const plan = getConstructionPlans(quoted);
  const look = async () => ((await boss.isInstalled()) ? await boss.schemaVersion() : null);
  const found = await look();
  if (found !== null && found >= newestVersion(plan)) return;
  const step = found === null ? inAnyEncoding(plan) : inAnyEncoding(getMigrationPlans(quoted, found));
  try {
    await execute(db, step, [], turn);
  } catch (error) {
    // another installation was faster if the version is right
    if (((await look()) ?? 0) < newestVersion(plan)) throw error;
  }
}

/**
 * Refuses a schema of another role, since the owner of a schema controls everything in the schema.
 * @throws HoldfastError
 */
async function refuseForeign(db: Connection, schema: string): Promise<void> {
  const [found] = await db.run('installation', 'owner_of_schema', { name: schema });
  if (found === undefined || found.ours === true) return;
  throw new HoldfastError('failed', `schema "${schema}" belongs to role "${found.owner}"`, {
    code: 'insufficient_privilege',
    hint: 'have it renamed or dropped: the queue of chores needs a schema of that name for itself',
  });
}

/**
 * The name of the schema of the queue. pg-boss refuses some characters in a schema name, quoted or not, and "--"
 * would look like a comment.
 */
export function queueSchema(schema: string): string {
  // oxlint-disable-next-line no-control-regex
  if (!/--|["'%$.\\\u0000-\u001f\u007f]/.test(schema)) return `${schema}_boss`;
  return `holdfast_${createHash('sha256').update(schema).digest('hex').slice(0, 16)}_boss`;
}

/** Replaces dashes in the comments of pg-boss that the encoding of a database may not have. */
function inAnyEncoding(plan: string): string {
  return plan.replaceAll(/--[^\n]*/g, (comment) => comment.replaceAll(/[^ -~]/g, '-'));
}

/** The newest version that a plan of pg-boss installs. The last statement of a plan records the version. */
function newestVersion(plan: string): number {
  const versions = [...plan.matchAll(/\.version\s*\(version\)\s*VALUES\s*\('?(\d+)'?\)/gi)];
  return Number(versions.at(-1)?.[1] ?? 0);
}

function grants(schema: string, worker: string, of: string): string {
  const comment = quoteLiteral(`The queue of Holdfast's chores (schema ${of}), kept by pg-boss.`);
  return [
    `grant usage on schema ${schema} to ${worker}`,
    `grant select, insert, update, delete on all tables in schema ${schema} to ${worker}`,
    `comment on schema ${schema} is ${comment}`,
  ].join('; ');
}

async function execute(
  db: Connection,
  text: string,
  values: readonly unknown[] = [],
  turn?: string,
): Promise<{ rows: Record<string, unknown>[] }> {
  try {
    return { rows: (await db.query(turn === undefined ? text : inOurTurn(text, turn), values)) ?? [] };
  } catch (error) {
    // A plan of several statements begins its own transaction.
    if (/^\s*begin\b/i.test(text) && !db.isLost) await db.query('rollback');
    throw error;
  }
}

/**
 * Replaces the advisory lock of pg-boss with a table lock: every role can compute the key of the advisory lock and
 * hold the lock for ever.
 */
function inOurTurn(text: string, turn: string): string {
  return text.replaceAll(/SELECT pg_advisory_xact_lock\(\('x'.*?::bigint\)/gs, () => turn);
}

function queueName({ cluster, kind }: Omit<QueuedChore, 'id'>): string {
  return `${cluster}/${kind}`;
}

/** The job ID of a chore. All workers compute the same ID, so that a chore is in its queue only once. */
function jobId(chore: number): string {
  return `00000000-0000-4000-8000-${chore.toString(16).padStart(12, '0')}`;
}

function unavailable(reason: string, hint: string): HoldfastError {
  return new HoldfastError('failed', `chores do not run here: ${reason}`, {
    code: 'chores_unavailable',
    hint,
  });
}
