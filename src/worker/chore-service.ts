/**
 * Runs chores. Table `backup_chore` is authoritative: the service reads the table when a notification
 * arrives, when a chore of this worker has ended, when a retry is due, and every 30 seconds, or every 15 seconds while
 * there are chores that are not over. A chore is sent to the queue and begins when the queue
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
  unlessLocked,
  type ChoreResult,
  type LiveChore,
} from '../control/chore-rows.ts';
import { HoldfastError, messageOf } from '../errors.ts';
import { choreRunners } from './chore-runners.ts';
import { giveBackLostChore } from './lost-chores.ts';
import { MissingChoreWorkers, missingLongEnough } from './missing-chore-workers.ts';
import { untilNextLook } from './next-look.ts';
import { PeriodicTask } from './periodic-task.ts';
import type { ServiceContext } from './service-context.ts';
import { everyPlace, WaitingChores } from './waiting-chores.ts';

/** The options of the service. */
export interface ChoresOptions extends ServiceContext {
  /** The id of this run of the worker. */
  instance: string;
}

/** Milliseconds between two reads of the table without chores that are not over. */
const lookEvery = 30_000;
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
  readonly #waiting: WaitingChores;
  #queue: ChoreQueue | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ChoresOptions) {
    this.#options = options;
    this.#clusters = options.config.clusters.map(({ name }) => name);
    this.#look = new PeriodicTask(lookEvery, () => this.#takeAll(), options.log);
    this.#waiting = new WaitingChores(options.log);
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
    const limit = sleep(stoppingTakes, undefined, { ref: false });
    await Promise.race([ended, limit]);
    await Promise.race([this.#queue?.close(), limit]);
  }

  async #takeAll(): Promise<void> {
    const { control } = this.#options;
    clearTimeout(this.#timer);
    const live = await control.run((db) => liveChores(db, this.#clusters));
    const places = Map.groupBy(live, place);
    this.#waiting.keepOnly(places);
    if (live.length === 0 || this.#stopping.signal.aborted) return;
    const queue = await this.#openQueue(live);
    if (queue === undefined) return;
    const abandoned = this.#missing.longEnough(live);
    const free: LiveChore[] = [];
    for (const [where, chores] of places)
      if (await this.#advance(queue, where, chores, abandoned)) free.push(...chores);
    this.#lookAgain(free);
  }

  /**
   * Does what is due for the chores of one cluster and kind. Other chores do not suffer from an error. Returns false
   * after an error and while a chore is running: the end of the chore wakes its worker.
   */
  async #advance(
    queue: ChoreQueue,
    where: string,
    chores: LiveChore[],
    abandoned: readonly LiveChore[],
  ): Promise<boolean> {
    try {
      const running = chores.filter(({ state }) => state === 'running');
      for (const chore of running)
        if (abandoned.includes(chore) && (await giveBackLostChore(queue, chore, this.#options.log)))
          this.wake();
      if (running.length === 0) {
        for (const chore of chores) await this.#send(queue, chore);
        const [{ cluster, kind }] = chores as [LiveChore];
        await this.#take(queue, cluster, kind);
      }
      this.#waiting.over(where);
      return running.length === 0 && !this.#running.has(where);
    } catch (error) {
      if (this.#stopping.signal.aborted) throw error;
      this.#waiting.warn(where, chores, error);
      return false;
    }
  }

  /**
   * Opens the queue. Returns undefined without a queue: chores that have not begun fail if no worker can run chores,
   * and wait if another worker may be able to.
   */
  async #openQueue(live: readonly LiveChore[]): Promise<ChoreQueue | undefined> {
    const { control, config, log } = this.#options;
    try {
      this.#queue ??= await ChoreQueue.open(control, config.control.schema, log);
      this.#waiting.over(everyPlace);
      return this.#queue;
    } catch (error) {
      if (this.#stopping.signal.aborted) throw error;
      if (!(error instanceof HoldfastError && error.code === 'chores_unavailable')) {
        this.#waiting.warn(everyPlace, live, error);
        return undefined;
      }
      const waiting = live.filter(({ state }) => state !== 'running').map(({ id }) => id);
      const failure = choreFailure(error);
      const refused = await control.run((db) => refuseChores(db, waiting, failure));
      if (refused.length > 0)
        log.warning('chores failed', { chores: refused.join(' '), reason: failure.message });
      return undefined;
    }
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
  #lookAgain(free: readonly LiveChore[]): void {
    const soon = Math.min(untilNextLook(free), this.#missing.any ? missingLongEnough : Infinity);
    if (this.#stopping.signal.aborted) return;
    this.#timer = setTimeout(() => this.wake(), soon);
    this.#timer.unref();
  }
}

/** The key of a cluster and kind in `#running`. */
function place({ cluster, kind }: { cluster: string; kind: string }): string {
  return `${cluster} ${kind}`;
}
