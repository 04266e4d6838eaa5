/**
 * Reads the unfinished requests every two seconds, and right after a reconnect: notifications are hints, and
 * the table is authoritative. The reconciler tells runs the state of their rows, wakes the dispatcher, ends
 * requests without a caller and requests that came with a restored database, and takes over the requests of
 * dead workers.
 */
import { copyIsNoBackup, type RequestRun } from '../backup/request-run.ts';
import type { Connection } from '../database/connection.ts';
import type { ControlLink } from '../control/control-link.ts';
import {
  failRestored,
  unfinishedRequests,
  markFailed,
  stateOf,
  type UnfinishedRequest,
} from '../control/backup-requests.ts';
import { HoldfastError, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { FruitlessRest } from './fruitless-rest.ts';
import { MissingCallers } from './missing-callers.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { ActiveRuns } from './active-runs.ts';
import type { Rescuer } from './rescuer.ts';

/** The options of the reconciler. */
export interface ReconcilerOptions {
  control: ControlLink;
  instance: string;
  clusters: ReadonlySet<string>;
  activeRuns: ActiveRuns;
  dispatcher: Dispatcher;
  rescuer: Rescuer;
  log: Log;
}

/** Compares the rows of unfinished requests with the runs of this worker. */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  /** The requests whose state is about to be read (see `lookAt`). */
  readonly #asking = new Set<number>();
  /** Notifications of requests that have not changed are read ever more slowly. */
  readonly #rest = new FruitlessRest();
  readonly #missingCallers = new MissingCallers();
  #leaving = false;
  /** Whether the last look saw requests that came with a restored database and have no living worker. */
  #restoredSeen = false;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  /** Reads all unfinished requests and acts on each of them. */
  async look(): Promise<void> {
    const { control, activeRuns, dispatcher, clusters } = this.#options;
    const mine = activeRuns.ids();
    const live = await control.run(unfinishedRequests);
    await this.#tellRuns(mine, live);
    if (
      live.some(({ state, cluster, restored }) => state === 'requested' && !restored && clusters.has(cluster))
    ) {
      dispatcher.wake();
    }
    this.#endWithoutCaller(live);
    await this.#endRestored(live);
    for (const request of live) this.#reconcile(request);
  }

  #endWithoutCaller(live: UnfinishedRequest[]): void {
    const missing = live.filter(({ callerGone }) => callerGone).map(({ id }) => id);
    for (const id of this.#missingCallers.look(missing)) {
      const reason = 'the start_backup that requested it ended without returning';
      this.#options.activeRuns.get(id)?.endWindow(
        new HoldfastError('failed', reason, {
          code: 'caller_gone',
          hint: 'call start_backup again; an INSERT leaves the backup running when its client goes',
        }),
      );
    }
  }

  /**
   * Ends requests that came with a restored database, at the second look that sees such requests. After a
   * failover, workers get the time to reconnect.
   */
  async #endRestored(live: UnfinishedRequest[]): Promise<void> {
    const { control, log } = this.#options;
    const seenBefore = this.#restoredSeen;
    this.#restoredSeen = live.some(({ restored, workerAlive }) => restored && !workerAlive);
    if (!seenBefore || !this.#restoredSeen) return;
    const failed = await control.run(failRestored);
    if (failed.length > 0) {
      log.warning('ended requests from before the control database was restored', {
        requests: failed.join(' '),
      });
    }
  }

  /**
   * Reads the state of one request, because a notification named the request. The notification's own content
   * is not trusted. Any number of notifications wait for one read.
   */
  async lookAt(id: number): Promise<void> {
    const run = this.#options.activeRuns.get(id);
    if (run === undefined || this.#asking.has(id)) return;
    this.#asking.add(id);
    await this.#rest.before();
    const before = run.seen;
    await this.#read(run);
    this.#rest.after(run.seen !== before);
  }

  async #read(run: RequestRun): Promise<void> {
    const { id } = run;
    const ask = (db: Connection) => {
      this.#asking.delete(id); // a later notification needs a new read: this one may miss its change
      return stateOf(db, id);
    };
    run.onRowState(await this.#options.control.run(ask));
  }

  /** From now on, a row of this worker without a run is left to the next worker. */
  leave(): void {
    this.#leaving = true;
  }

  async #tellRuns(mine: number[], live: UnfinishedRequest[]): Promise<void> {
    const states = new Map(live.map(({ id, state }) => [id, state]));
    for (const id of mine) {
      const run = this.#options.activeRuns.get(id);
      const state = states.get(id);
      if (state !== undefined) run?.onRowState(state);
      else if (run) await this.#read(run);
    }
  }

  #reconcile({ id, state, instance, workerAlive, restored }: UnfinishedRequest): void {
    const { activeRuns, rescuer } = this.#options;
    if (workerAlive) rescuer.forget(id);
    if (this.#leaving || state === 'requested' || restored || activeRuns.get(id)) return;
    if (instance === this.#options.instance) this.#failUnheld(id);
    else if (!workerAlive) rescuer.consider(id);
  }

  /**
   * Fails a row of this worker that has no run: the answer to its claim was lost, or its failure could not be
   * written. Each look tries once.
   */
  #failUnheld(id: number): void {
    const { control, log } = this.#options;
    const failure = {
      code: 'session_lost',
      message: 'the worker does not hold it, since its connections broke',
      hint: copyIsNoBackup,
    };
    void control
      .tryOnce((db) => markFailed(db, id, failure))
      .then((failed) => failed && log.warning('failed a request that is not held', { request: id }))
      .catch((error: unknown) => log.debug('will look again', { request: id, reason: messageOf(error) }));
  }
}
