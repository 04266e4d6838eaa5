/**
 * The queue of chores, and the only importer of pg-boss, which is loaded where there are chores. It runs on the
 * worker's own session (so that a chore's row and its place in the queue change in one transaction), polls nothing and
 * maintains nothing: rows of backup_chore say what there is to do and what became of it, and a job whose chore is over
 * is deleted. What it is there for: at most one active job of a queue, which is a cluster and a kind, over any number
 * of workers; when the next attempt is; and how many there are.
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

/** Seconds; pg-boss's own limits. */
const aDay = 86_400;
const aLongTime = 60 * 365 * aDay;
/** The oldest server with all that pg-boss calls. */
const oldestServer = 130_000;

export interface QueuedChore {
  id: number;
  cluster: string;
  kind: string;
}

export interface QueueRetries {
  /** Besides the first attempt. */
  limit: number;
  /** Seconds. */
  delay: number;
  longestDelay: number;
}

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

  /** @throws HoldfastError `chores_unavailable` */
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

  /** Work whose statements, and the queue's own, take effect together. */
  transaction<T>(work: (db: Connection) => Promise<T>): Promise<T> {
    return this.#control.run((db) => db.transaction(() => this.#transaction.run(db, () => work(db))));
  }

  /** Puts a chore into its queue, unless it is there. Not within a transaction. */
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

  /** The chore that is next, which is active from now on; undefined: none is due, or one is active. */
  async next(of: Omit<QueuedChore, 'id'>): Promise<number | undefined> {
    const [job] = await this.#boss.fetch<{ chore: number }>(queueName(of));
    return job?.data.chore;
  }

  /** Takes it out for good. */
  async remove(chore: QueuedChore): Promise<void> {
    await this.#boss.deleteJob(queueName(chore), jobId(chore.id));
  }

  /** Has it tried again; returns when. undefined: there are no attempts left, and it has been taken out. */
  async tryAgain(chore: QueuedChore): Promise<Date | undefined> {
    const queue = queueName(chore);
    const id = jobId(chore.id);
    await this.#boss.fail(queue, id);
    const [job] = await this.#boss.findJobs(queue, { id });
    if (job?.state === 'retry') return job.startAfter;
    await this.remove(chore);
    return undefined;
  }

  async close(): Promise<void> {
    await this.#boss.stop({ graceful: false });
  }
}

/** Makes or upgrades the schema of the queue, beside ours; returns its name. undefined: the server is too old for it. */
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
    if (((await look()) ?? 0) < newestVersion(plan)) throw error; // or else another one was quicker
  }
}

/** In a schema of somebody else's, everything would be at his mercy. */
async function refuseForeign(db: Connection, schema: string): Promise<void> {
  const [found] = await db.run('installation', 'owner_of_schema', { name: schema });
  if (found === undefined || found.ours === true) return;
  throw new HoldfastError('failed', `schema "${schema}" belongs to role "${found.owner}"`, {
    code: 'insufficient_privilege',
    hint: 'have it renamed or dropped: the queue of chores needs a schema of that name for itself',
  });
}

/** pg-boss refuses some characters in the name of a schema, quoted or not; and "--" would look like a comment. */
export function queueSchema(schema: string): string {
  // oxlint-disable-next-line no-control-regex
  if (!/--|["'%$.\\\u0000-\u001f\u007f]/.test(schema)) return `${schema}_boss`;
  return `holdfast_${createHash('sha256').update(schema).digest('hex').slice(0, 16)}_boss`;
}

/** Its comments have dashes that not every database's encoding has. */
function inAnyEncoding(plan: string): string {
  return plan.replaceAll(/--[^\n]*/g, (comment) => comment.replaceAll(/[^ -~]/g, '-'));
}

/** The last statement of its plan records the version. */
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
    // A plan of several statements begins a transaction of its own.
    if (/^\s*begin\b/i.test(text) && !db.isLost) await db.query('rollback');
    throw error;
  }
}

/** Its own lock has a key that anybody can compute, and hold for ever. */
function inOurTurn(text: string, turn: string): string {
  return text.replaceAll(/SELECT pg_advisory_xact_lock\(\('x'.*?::bigint\)/gs, () => turn);
}

function queueName({ cluster, kind }: Omit<QueuedChore, 'id'>): string {
  return `${cluster}/${kind}`;
}

/** The same for everybody, so that a chore is in its queue once. */
function jobId(chore: number): string {
  return `00000000-0000-4000-8000-${chore.toString(16).padStart(12, '0')}`;
}

function unavailable(reason: string, hint: string): HoldfastError {
  return new HoldfastError('failed', `chores do not run here: ${reason}`, {
    code: 'chores_unavailable',
    hint,
  });
}
