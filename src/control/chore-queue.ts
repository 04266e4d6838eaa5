/**
 * The queue of chores, which pg-boss keeps. pg-boss is loaded only if there are chores. The rows of backup_chore
 * are the record of all chores, and the job of a finished chore is deleted. pg-boss decides the rest:
 * which chore of a queue (a cluster and a kind) is the next one, that at most one is active among all workers
 * (policy singleton), when an attempt fails because no heartbeat comes (supervise), when the next attempt begins,
 * and how many are left.
 *
 * The worker calls fetch() and fail() of pg-boss itself, and does not leave this to work() of pg-boss (its
 * manager.ts and worker.ts), for four reasons. work() claims a job in a transaction of its own, so that the row and
 * the job of a chore could not change together. work() polls each queue for itself: an idle worker of many clusters
 * would send more than a query a second. work() fails a job that runs for longer than 24 hours, while it
 * runs. And the stop of pg-boss fails the jobs that run, which counts as an attempt.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { HoldfastError, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { ServerError, type Connection } from '../database/connection.ts';
import type { ControlLink } from './control-link.ts';
import { withLimitedWaits } from './lock-waits.ts';
import { createBoss, executeOn, oldestQueueServer, queueSchema, type PgBoss } from './pg-boss.ts';

/** Seconds. Limits of pg-boss. */
const aDay = 86_400;
const aLongTime = 60 * 365 * aDay;
/** Seconds without a heartbeat after which pg-boss may fail an attempt. The least that pg-boss takes. */
export const heartbeatSeconds = 10;
/**
 * Milliseconds for a statement of pg-boss that waits for a lock. Every role can compute the keys of the advisory
 * locks of pg-boss and hold them for ever.
 */
const statementTakes = 5000;
/** Milliseconds for such a statement before the connection counts as lost. The server's limit comes first. */
const answerTakes = statementTakes + 3000;

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
  /** The session for the statements of pg-boss; none: the session of the link. */
  readonly #session: AsyncLocalStorage<Connection>;
  readonly #queues = new Set<string>();

  private constructor(control: ControlLink, boss: PgBoss, session: AsyncLocalStorage<Connection>) {
    this.#control = control;
    this.#boss = boss;
    this.#session = session;
  }

  /**
   * Opens the queue.
   * @throws HoldfastError `chores_unavailable` where no worker can run chores: the server is too old, or the schema of
   * the queue is missing; `failed` where another worker may have the right release of pg-boss
   */
  static async open(control: ControlLink, schema: string, log: Log): Promise<ChoreQueue> {
    if (control.serverVersion < oldestQueueServer) {
      throw unavailable(
        'their queue needs a control database on PostgreSQL 13 or newer',
        'upgrade this server, or type holdfast sync, holdfast verify, holdfast drill or holdfast expire: all else works',
      );
    }
    const session = new AsyncLocalStorage<Connection>();
    const boss = await createBoss(schema, false, (text, values) => {
      const db = session.getStore();
      return db === undefined
        ? control.run((own) => executeOn(own, text, values))
        : executeOn(db, text, values);
    });
    boss.on('error', (error) => log.warning('the queue of chores complains', { reason: messageOf(error) }));
    boss.on('warning', ({ message }) => log.warning('the queue of chores warns', { reason: message }));
    try {
      await boss.start();
    } catch (error) {
      await boss.stop({ graceful: false }).catch(() => undefined);
      throw await whyNotStarted(control, boss, schema, error);
    }
    return new ChoreQueue(control, boss, session);
  }

  /** Runs `work` in a transaction that includes all changes of the queue. */
  transaction<T>(work: (db: Connection) => Promise<T>): Promise<T> {
    return this.#control.run((db) => db.transaction(() => this.#session.run(db, () => work(db))));
  }

  /**
   * Puts a chore into its queue, unless the chore is there already. Must not be called in a transaction.
   * @throws HeldUp
   */
  async send(chore: QueuedChore, { limit, delay, longestDelay }: QueueRetries): Promise<void> {
    const queue = queueName(chore);
    await this.#make(queue);
    await this.#boss.send(
      queue,
      { chore: chore.id },
      {
        id: jobId(chore.id),
        retryLimit: limit,
        retryDelay: delay,
        retryBackoff: true,
        retryDelayMax: longestDelay,
        heartbeatSeconds,
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

  /** Sends the heartbeats of chores that run. */
  async touch(chores: readonly QueuedChore[]): Promise<void> {
    for (const chore of chores) await this.#boss.touch(queueName(chore), jobId(chore.id));
  }

  /**
   * Has pg-boss fail the attempts of a queue whose heartbeats have stopped. Returns whether the attempt of this
   * chore is over, or has no heartbeats: then `endLost` fails the attempt. Must not be called in a transaction.
   * @throws HeldUp
   */
  async expire(chore: QueuedChore): Promise<boolean> {
    const queue = queueName(chore);
    await this.#aside(() => this.#boss.supervise(queue));
    const [job] = await this.#boss.findJobs(queue, { id: jobId(chore.id) });
    return job?.state !== 'active' || job.heartbeatSeconds === null;
  }

  /**
   * Fails the attempt of a worker that is gone, unless `expire` has failed the attempt, and returns as `tryAgain`
   * does. An earlier release sent jobs without heartbeats, which pg-boss fails only after a day.
   */
  async endLost(chore: QueuedChore): Promise<Date | undefined> {
    const [job] = await this.#boss.findJobs(queueName(chore), { id: jobId(chore.id) });
    return job?.state === 'active' ? this.tryAgain(chore) : this.#nextAttempt(chore);
  }

  /**
   * Fails an attempt. Returns the time of the next attempt; undefined: no attempts are left, and the job has been
   * deleted.
   */
  async tryAgain(chore: QueuedChore): Promise<Date | undefined> {
    await this.#boss.fail(queueName(chore), jobId(chore.id));
    return this.#nextAttempt(chore);
  }

  async #nextAttempt(chore: QueuedChore): Promise<Date | undefined> {
    const [job] = await this.#boss.findJobs(queueName(chore), { id: jobId(chore.id) });
    if (job?.state === 'retry') return job.startAfter;
    await this.remove(chore);
    return undefined;
  }

  async #make(queue: string): Promise<void> {
    if (this.#queues.has(queue)) return;
    if ((await this.#boss.getQueue(queue)) === null)
      await this.#aside(() => this.#boss.createQueue(queue, { policy: 'singleton' }));
    this.#queues.add(queue);
  }

  /** Runs what takes locks of pg-boss, in transactions of pg-boss. */
  #aside<T>(work: () => Promise<T>): Promise<T> {
    return this.#control.aside(
      (db) => withLimitedWaits(db, statementTakes, () => this.#session.run(db, work)),
      answerTakes,
    );
  }

  /** Stops pg-boss. The session of the worker stays open. */
  async close(): Promise<void> {
    await this.#boss.stop({ graceful: false });
  }
}

function queueName({ cluster, kind }: Omit<QueuedChore, 'id'>): string {
  return `${cluster}/${kind}`;
}

/** The job ID of a chore. All workers compute the same ID, so that a chore is in its queue only once. */
function jobId(chore: number): string {
  return `00000000-0000-4000-8000-${chore.toString(16).padStart(12, '0')}`;
}

/** Why pg-boss did not start. */
async function whyNotStarted(
  control: ControlLink,
  boss: PgBoss,
  schema: string,
  error: unknown,
): Promise<unknown> {
  const name = queueSchema(schema);
  const found = await control.run((db) => db.run('chore', 'queue', { name }));
  if (found.length === 0)
    return unavailable(
      `the schema of their queue, "${name}", is missing`,
      'run "holdfast install", which makes the schema of their queue: plain psql does not',
    );
  if (error instanceof ServerError) return error;
  const version = await boss.schemaVersion();
  return new HoldfastError(
    'failed',
    `the schema of their queue, "${name}", has version ${version}, and the pg-boss of this worker needs another one`,
    {
      hint: 'install the same release of Holdfast on every host with a worker, then run "holdfast install" on one of them and start the workers again; "npm ls pg-boss" says which release of pg-boss a host has',
    },
  );
}

function unavailable(reason: string, hint: string): HoldfastError {
  return new HoldfastError('failed', `chores do not run here: ${reason}`, {
    code: 'chores_unavailable',
    hint,
  });
}
