/**
 * Runs chores. Table `backup_chore` is authoritative: the service reads the table when a notification
 * arrives, when a retry is due, and every 30 seconds. A chore is sent to the queue and begins when the queue
 * hands the chore out. The chore is removed from the queue in the transaction that writes the outcome. While a
 * chore runs, the queue gets heartbeats. A chore whose worker is gone and whose heartbeats have stopped is tried
 * again: the lock of the worker prevents that a worker which is only slow loses its chore.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isWorthRetrying, retryPolicy, type Chore, type ChoreContext } from '../chores/chore.ts';
import { ChoreQueue, heartbeatSeconds, type QueuedChore } from '../control/chore-queue.ts';
import {
  beginChore,
  choreFailure,
  completeChore,
  failChore,
  holdChore,
  liveChores,
  refuseChores,
  retryChore,
  RowLocked,
  type ChoreResult,
  type LiveChore,
} from '../control/chore-rows.ts';
import { HoldfastError, messageOf } from '../errors.ts';
import { letYoungGenerationGrow } from '../system/young-generation.ts';
import { choreRunners } from './chore-runners.ts';
import { MissingChoreWorkers, missingLongEnough } from './missing-chore-workers.ts';
import { PeriodicTask } from './periodic-task.ts';
import type { ServiceContext } from './service-context.ts';

/** The options of the service. */
export interface ChoresOptions extends ServiceContext {
  /** The id of this run of the worker. */
  instance: string;
}

/** Milliseconds between two reads of the table without chores that are not over. */
const lookEvery = 30_000;
/** Milliseconds between two reads while there are such chores. */
const lookWhileLive = 15_000;
/** Milliseconds between two heartbeats. */
const beatEvery = (heartbeatSeconds * 1000) / 2;
/** Milliseconds that `stop` waits for running chores. */
const stoppingTakes = 5000;
/** Milliseconds between two attempts to write an outcome into a row that another session has locked. */
const whileLocked = 500;

/** The chores of one worker. At most one chore of each cluster and kind runs at a time. */
export class Chores {
  readonly #options: ChoresOptions;
  readonly #clusters: string[];
  readonly #look: PeriodicTask;
  readonly #beat: PeriodicTask;
  readonly #stopping = new AbortController();
  /** The running chore of each cluster and kind (see `place`). */
  readonly #running = new Map<string, { chore: QueuedChore; ended: Promise<void> }>();
  readonly #missing: MissingChoreWorkers;
  #queue: ChoreQueue | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ChoresOptions) {
    this.#options = options;
    this.#clusters = options.config.clusters.map(({ name }) => name);
    this.#look = new PeriodicTask(lookEvery, () => this.#takeAll(), options.log);
    this.#missing = new MissingChoreWorkers(
      (chore) =>
        chore.instance === options.instance && this.#running.get(place(chore))?.chore.id !== chore.id,
    );
    this.#beat = new PeriodicTask(
      beatEvery,
      async () => this.#queue?.touch([...this.#running.values()].map(({ chore }) => chore)),
      options.log,
    );
  }

  start(): void {
    this.#look.start();
    this.#beat.start();
  }

  /** Reads the table now: a chore may have been added. */
  wake(): void {
    this.#look.now();
  }

  /** Takes no more chores and aborts the running ones. The next worker runs the aborted chores again. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    clearTimeout(this.#timer);
    const running = [...this.#running.values()].map(({ ended }) => ended);
    const ended = Promise.all([this.#look.stop(), this.#beat.stop(), ...running]);
    await Promise.race([ended, sleep(stoppingTakes, undefined, { ref: false })]);
    await this.#queue?.close();
  }

  async #takeAll(): Promise<void> {
    const { control } = this.#options;
    clearTimeout(this.#timer);
    const live = await control.run((db) => liveChores(db, this.#clusters));
    if (live.length === 0 || this.#stopping.signal.aborted) return;
    const queue = await this.#openQueue(live);
    if (queue === undefined) return;
    const abandoned = this.#missing.longEnough(live);
    for (const chores of Map.groupBy(live, place).values()) await this.#advance(queue, chores, abandoned);
    this.#lookAgain(abandoned.length > 0 ? [] : live);
  }

  /** Does what is due for the chores of one cluster and kind. Other chores do not suffer from an error. */
  async #advance(queue: ChoreQueue, chores: LiveChore[], abandoned: readonly LiveChore[]): Promise<void> {
    try {
      const running = chores.filter(({ state }) => state === 'running');
      for (const chore of running) if (abandoned.includes(chore)) await this.#giveBack(queue, chore);
      if (running.length > 0) return;
      for (const chore of chores) await this.#send(queue, chore);
      const [{ cluster, kind }] = chores as [LiveChore];
      await this.#take(queue, cluster, kind);
    } catch (error) {
      if (this.#stopping.signal.aborted) throw error;
      const ids = chores.map(({ id }) => id).join(' ');
      this.#options.log.warning('chores wait', { chores: ids, reason: messageOf(error) });
    }
  }

  /** Opens the queue. Without a queue, fails the chores that have not begun, and returns undefined. */
  async #openQueue(live: readonly LiveChore[]): Promise<ChoreQueue | undefined> {
    const { control, config, log } = this.#options;
    try {
      this.#queue ??= await ChoreQueue.open(control, config.control.schema, log);
      return this.#queue;
    } catch (error) {
      const waiting = live.filter(({ state }) => state !== 'running').map(({ id }) => id);
      const failure = choreFailure(error);
      const refused = await control.run((db) => refuseChores(db, waiting, failure));
      if (refused.length > 0)
        log.warning('chores failed', { chores: refused.join(' '), reason: failure.message });
      return undefined;
    }
  }

  /** Plans the next attempt of a chore whose worker is gone, if the queue has failed the attempt. */
  async #giveBack(queue: ChoreQueue, chore: LiveChore): Promise<void> {
    if (!(await queue.expire(chore))) return;
    const failure = {
      code: 'worker_lost',
      message: 'the worker that ran the chore is gone',
      hint: 'wait: the chore is run again; where the chore kills workers, read their logs',
    };
    const { id, attempts: attempt } = chore;
    const given = await queue
      .transaction(async (db) => {
        const instance = chore.instance ?? '';
        if (!(await holdChore(db, { id, instance, attempt }))) return false;
        const at = await queue.nextAttempt(chore);
        if (at === undefined) await failChore(db, id, failure, null);
        else await retryChore(db, { id, at, attempts: attempt }, failure, null);
        return true;
      })
      .catch(unlessLocked);
    if (given === true)
      this.#options.log.warning('gave back a chore whose worker is gone', { chore: id, kind: chore.kind });
  }

  async #send(queue: ChoreQueue, chore: LiveChore): Promise<void> {
    const { attempts, delay, longestDelay } = retryPolicy(chore.kind);
    const limit = Math.max(0, attempts - chore.attempts - 1);
    await queue.send(chore, { limit, delay, longestDelay });
  }

  async #take(queue: ChoreQueue, cluster: string, kind: string): Promise<void> {
    const where = place({ cluster, kind });
    if (this.#running.has(where) || this.#stopping.signal.aborted) return;
    const { control, instance } = this.#options;
    const begun = await queue
      .transaction(async (db) => {
        const id = await queue.next({ cluster, kind });
        if (id === undefined) return undefined;
        const chore = await beginChore(db, id, control.name, instance);
        if (chore === undefined) await queue.remove({ id, cluster, kind });
        return chore;
      })
      .catch(unlessLocked);
    if (begun === undefined) return;
    const ended = this.#run(queue, begun).finally(() => {
      this.#running.delete(where);
      this.wake();
    });
    this.#running.set(where, { chore: begun, ended });
  }

  async #run(queue: ChoreQueue, chore: Chore): Promise<void> {
    const { log } = this.#options;
    const about = { chore: chore.id, kind: chore.kind, cluster: chore.cluster };
    log.info('began a chore', { ...about, attempt: chore.attempt });
    let result: ChoreResult = null;
    try {
      letYoungGenerationGrow();
      const runner = choreRunners[chore.kind];
      if (runner === undefined)
        throw new HoldfastError('usage', `this worker knows no chores of kind "${chore.kind}"`);
      result = await runner(
        chore,
        this.#contextFor(chore, (known) => (result = known)),
      );
      const found = result;
      const done = await this.#end(queue, chore, async (db) => {
        await queue.remove(chore);
        await completeChore(db, chore.id, found);
      });
      if (done) log.info('completed a chore', about);
    } catch (error) {
      await this.#failed(queue, chore, error, result).catch((reason: unknown) =>
        log.error('the outcome of a chore was not written', { ...about, reason: messageOf(reason) }),
      );
    }
  }

  async #failed(queue: ChoreQueue, chore: Chore, error: unknown, result: ChoreResult): Promise<void> {
    const { log } = this.#options;
    if (this.#stopping.signal.aborted) return this.#leave(queue, chore, result);
    const failure = choreFailure(error);
    let again: Date | undefined;
    const written = await this.#end(queue, chore, async (db) => {
      again = isWorthRetrying(error) ? await queue.tryAgain(chore) : undefined;
      if (again === undefined) {
        await queue.remove(chore);
        await failChore(db, chore.id, failure, result);
      } else await retryChore(db, { id: chore.id, at: again, attempts: chore.attempt }, failure, result);
    });
    if (written)
      log.warning('a chore failed', {
        chore: chore.id,
        kind: chore.kind,
        cluster: chore.cluster,
        attempt: chore.attempt,
        reason: failure.message,
        again: again?.toISOString(),
      });
  }

  /** Reschedules a chore that was aborted because this worker stops. The aborted attempt does not count. */
  async #leave(queue: ChoreQueue, chore: Chore, result: ChoreResult): Promise<void> {
    const failure = {
      code: 'worker_stopped',
      message: 'the worker was stopped while it ran the chore',
      hint: null,
    };
    await this.#end(queue, chore, async (db) => {
      await queue.remove(chore);
      const left = { id: chore.id, at: new Date(), attempts: chore.attempt - 1 };
      await retryChore(db, left, failure, result);
    });
  }

  /** Writes the outcome of an attempt. Returns false if the attempt is no longer this worker's. */
  async #end(
    queue: ChoreQueue,
    { id, attempt }: Chore,
    write: (db: Parameters<typeof holdChore>[0]) => Promise<void>,
  ): Promise<boolean> {
    const { instance } = this.#options;
    for (;;) {
      const ended = await queue
        .transaction(async (db) => {
          const ours = await holdChore(db, { id, instance, attempt });
          if (ours) await write(db);
          return ours;
        })
        .catch(unlessLocked);
      if (ended !== undefined) return ended;
      await sleep(whileLocked);
    }
  }

  #contextFor(chore: Chore, setResult: ChoreContext['setResult']): ChoreContext {
    const { control, config, log } = this.#options;
    const { repository } = config.worker;
    const clusterDirectory = join(repository, chore.cluster);
    return { control, repository, clusterDirectory, config, log, signal: this.#stopping.signal, setResult };
  }

  /** Sets the timer for the next retry that is due, or for the next check of a missing worker. */
  #lookAgain(live: readonly LiveChore[]): void {
    const due = live.flatMap(({ dueIn }) => (dueIn === null ? [] : [dueIn + 10]));
    const soon = Math.min(...due, this.#missing.any ? missingLongEnough : Infinity, lookWhileLive);
    if (this.#stopping.signal.aborted) return;
    this.#timer = setTimeout(() => this.wake(), Math.max(soon, 50));
    this.#timer.unref();
  }
}

/** Ignores RowLocked: the next read of the table handles the row, and the other chores do not wait. */
function unlessLocked(error: unknown): undefined {
  if (error instanceof RowLocked) return undefined;
  throw error;
}

/** The key of a cluster and kind in `#running`. */
function place({ cluster, kind }: { cluster: string; kind: string }): string {
  return `${cluster} ${kind}`;
}
