/**
 * Chooses the waiting requests for which this worker opens a session, while sessions are free. runBackup claims
 * and runs a chosen request; another worker may be faster.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { RequestRun, type RunContext } from '../backup/request-run.ts';
import { runBackup } from '../backup/run-backup.ts';
import type { ClusterServer } from '../server/cluster-server.ts';
import type { ControlLink } from '../control/control-link.ts';
import { waitingRequests, type WaitingRequest } from '../control/backup-requests.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { chooseNext, namesOf } from './fairness.ts';
import { FruitlessRest } from './fruitless-rest.ts';
import type { ActiveRuns } from './active-runs.ts';
import { Openings } from './opening-sessions.ts';

/** The options of the dispatcher. */
export interface DispatcherOptions {
  control: ControlLink;
  instance: string;
  servers: ReadonlyMap<string, ClusterServer>;
  activeRuns: ActiveRuns;
  /** The most backup sessions of this worker at a time. */
  maxHeld: number;
  /** The most copies of one cluster that one requester may have running at a time. */
  maxCopies: number;
  /** The most sessions that one requester may hold; undefined means half of `maxHeld`. */
  maxHeldByOne: number | undefined;
  contextOf: (server: ClusterServer) => RunContext;
  log: Log;
}

/** Milliseconds that a claim usually takes. The next look does not wait for a slower claim. */
const claimTakes = 10;
/**
 * Milliseconds for which a request is skipped after its claim has failed, because another worker was faster
 * or because the row is locked.
 */
const passOverFor = 1000;
/**
 * If this many requests of one role or login in one cluster are skipped, all requests of that role or login
 * in the cluster are skipped.
 */
const passOverAll = 3;

/** Gives free sessions to waiting requests. */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #openings = new Openings();
  readonly #rest = new FruitlessRest();
  #stopped = false;
  #looking: Promise<void> | undefined;
  #lookAgain = false;
  /** The skipped requests, by id, each with its requester's names in its cluster (see `inCluster`). */
  readonly #passedOver = new Map<number, string[]>();
  /**
   * By name of a requester (see `namesOf`): when the requester was last given a session, from
   * `performance.now()`.
   */
  readonly #served = new Map<string, number>();

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** Looks for waiting requests. Calls during a look are combined into one more look. */
  wake(): void {
    if (this.#stopped) return;
    if (this.#looking) {
      this.#lookAgain = true;
      return;
    }
    this.#looking = this.#look()
      .catch((error: unknown) =>
        this.#options.log.warning('cannot look for requests', { reason: messageOf(error) }),
      )
      .finally(() => {
        this.#looking = undefined;
        if (this.#lookAgain) {
          this.#lookAgain = false;
          this.wake();
        }
      });
  }

  /** Takes no more requests. Requests that wait for a session stay as they are, for the next worker. */
  stop(): void {
    this.#stopped = true;
    this.#lookAgain = false;
    this.#openings.stop();
  }

  async #look(): Promise<void> {
    await this.#rest.before();
    let isFruitful = false;
    try {
      isFruitful = await this.#takeAll();
    } finally {
      this.#rest.after(isFruitful);
    }
  }

  /** Takes requests while sessions are free. Returns whether there was one. */
  async #takeAll(): Promise<boolean> {
    let hasTaken = false;
    const { control, activeRuns, servers, maxHeld, maxHeldByOne, maxCopies } = this.#options;
    while (!this.#stopped && activeRuns.held().length < maxHeld) {
      const waiting = await control.run((db) =>
        waitingRequests(
          db,
          [...servers.keys()],
          [...activeRuns.ids(), ...this.#passedOver.keys()],
          maxCopies,
        ),
      );
      const next = chooseNext(
        waiting.filter((request) => !this.#isPassedOver(request)),
        activeRuns.held(),
        maxHeld,
        this.#served,
        maxHeldByOne,
      );
      if (next === undefined || this.#stopped) break;
      hasTaken = true;
      // The claim goes before the next look: a caller is waiting for this request.
      await Promise.race([this.#take(next), sleep(claimTakes)]);
    }
    return hasTaken;
  }

  /** Resolves once the request is claimed, or once the claim has failed. */
  async #take(request: WaitingRequest): Promise<void> {
    const { servers, activeRuns, contextOf, instance, log } = this.#options;
    const server = servers.get(request.cluster);
    if (server === undefined) return;
    const run = new RequestRun(request.id, contextOf(server));
    for (const name of namesOf(request)) this.#served.set(name, performance.now());
    await new Promise<void>((resolve) => {
      const onDecided = (isClaimed: boolean) => {
        if (!isClaimed) this.#passOver(request);
        resolve();
      };
      const open = () => this.#openings.open(run);
      const running = runBackup(run, request, { instance, open, onDecided }).catch((error: unknown) => {
        log.error('a backup ended without its outcome being written', {
          request: run.id,
          reason: messageOf(error),
        });
      });
      activeRuns.add(run, request, running);
      void running.finally(resolve);
    });
  }

  /**
   * Skips a request for a moment. A requester who keeps their rows locked would otherwise keep this worker
   * opening sessions for them.
   */
  #passOver(request: WaitingRequest): void {
    const { id } = request;
    this.#passedOver.set(id, inCluster(request));
    setTimeout(() => this.#passedOver.delete(id), passOverFor).unref();
  }

  #isPassedOver(request: WaitingRequest): boolean {
    const passedOver = [...this.#passedOver.values()];
    return inCluster(request).some(
      (name) => passedOver.filter((names) => names.includes(name)).length >= passOverAll,
    );
  }
}

/** The names of a request's requester, each prefixed with the cluster. */
function inCluster(request: WaitingRequest): string[] {
  return namesOf(request).map((name) => `${request.cluster} ${name}`);
}
