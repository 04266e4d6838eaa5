/**
 * Claims waiting requests, and runs one backup for each, while sessions are free. Any number of workers may
 * do so: the claim decides which worker gets a request, and the other workers close the sessions that they
 * have opened.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BackupSession } from '../backup/backup-session.ts';
import { RequestRun, type RunContext } from '../backup/request-run.ts';
import { preflight } from '../backup/preflight.ts';
import { runBackup } from '../backup/run-backup.ts';
import type { ClusterServer } from '../server/cluster-server.ts';
import type { ControlLink } from '../control/control-link.ts';
import { randomLockKey } from '../database/random-key.ts';
import {
  claimRequest,
  waitingRequests,
  type ClaimedRequest,
  type WaitingRequest,
} from '../control/backup-requests.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { testLabelDirectory } from '../repository/label-directory.ts';
import { chooseNext, namesOf } from './fairness.ts';
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
    this.#looking = this.#takeAll()
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

  async #takeAll(): Promise<void> {
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
      if (next === undefined || this.#stopped) return;
      // The claim goes before the next look: a caller is waiting for this request.
      await Promise.race([this.#take(next), sleep(claimTakes)]);
    }
  }

  /** Resolves once the request is claimed, or once the claim has failed. */
  async #take(request: WaitingRequest): Promise<void> {
    const { servers, activeRuns, contextOf, log } = this.#options;
    const server = servers.get(request.cluster);
    if (server === undefined) return;
    const run = new RequestRun(request.id, contextOf(server));
    run.takeSession();
    for (const name of namesOf(request)) this.#served.set(name, performance.now());
    await new Promise<void>((onClaimed) => {
      const running = this.#run(run, request, server, onClaimed).catch((error: unknown) => {
        log.error('a backup ended without its outcome being written', {
          request: run.id,
          reason: messageOf(error),
        });
      });
      activeRuns.add(run, request, running);
      void running.finally(onClaimed);
    });
  }

  async #run(
    run: RequestRun,
    request: WaitingRequest,
    server: ClusterServer,
    onClaimed: () => void,
  ): Promise<void> {
    const labelsTested = testLabelDirectory(run.context.labels, server.name);
    labelsTested.catch(() => undefined); // runBackup reports the error
    const session = await this.#openings.open(run);
    if (session === undefined) return;
    if (this.#stopped) return session.close();
    const checks = Promise.all([preflight(request, session), labelsTested]).then(([warnings]) => warnings);
    checks.catch(() => undefined);
    const claimed = await this.#claim(run, server, session).catch(async (error: unknown) => {
      this.#passOver(request);
      await session.close();
      throw error;
    });
    onClaimed();
    if (claimed !== undefined) return runBackup(run, claimed, session, checks);
    this.#passOver(request);
    await session.close();
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

  async #claim(
    run: RequestRun,
    server: ClusterServer,
    session: BackupSession,
  ): Promise<ClaimedRequest | undefined> {
    const { control, instance } = this.#options;
    const monitor = await server.monitor();
    const { pid, backendStart, login, database } = session.identity;
    const claimed = await control.run((db) =>
      claimRequest(db, run.id, {
        worker: control.name,
        instance,
        pid,
        backendStart,
        lockKey: session.lockKey,
        login,
        database,
        proxyKey: randomLockKey(),
        monitorPid: monitor.identity.pid,
        monitorKey: monitor.lockKey,
      }),
    );
    if (claimed?.proxyKey) control.keepProxyLock(run.id, claimed.proxyKey);
    return claimed;
  }
}

/** The names of a request's requester, each prefixed with the cluster. */
function inCluster(request: WaitingRequest): string[] {
  return namesOf(request).map((name) => `${request.cluster} ${name}`);
}
