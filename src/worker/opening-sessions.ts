/**
 * Opens the sessions for requests that no worker has claimed yet. If a server answers but has no free
 * connection, the requests of that cluster queue up: the first one tries to connect, and a cancelled request
 * leaves the queue.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { BackupSession } from '../backup/backup-session.ts';
import { LeftToNextWorker, EndedElsewhere, type RequestRun } from '../backup/request-run.ts';
import type { ClusterServer } from '../server/cluster-server.ts';
import { hasNoConnectionFree } from '../database/connection-error.ts';
import { HoldfastError, messageOf } from '../errors.ts';

/** How many times a cluster that does not answer is tried. */
const attempts = 5;
/** Milliseconds. */
const pauseBetweenAttempts = 1000;
/**
 * Milliseconds to wait until the wait description is cleared. The control database may be down while the
 * worker stops.
 */
const noteTakes = 1000;

/** The sessions that this worker is opening. */
export class Openings {
  readonly #jobs = new Set<RequestRun>();
  /**
   * Of each cluster without a free connection: resolves once all requests in the queue have left the queue.
   */
  readonly #lines = new Map<ClusterServer, Promise<void>>();
  #stopped = false;

  /**
   * Opens a session for a request.
   * @throws LeftToNextWorker, EndedElsewhere; the reason for which the server gave no session
   */
  async open(run: RequestRun): Promise<BackupSession> {
    this.#jobs.add(run);
    try {
      return await this.#openOrWait(run);
    } finally {
      this.#jobs.delete(run);
    }
  }

  /** Ends all attempts. Requests that wait stay as they are, for the next worker. */
  stop(): void {
    this.#stopped = true;
    for (const run of this.#jobs) run.end(new LeftToNextWorker('the worker is stopping'));
  }

  async #openOrWait(run: RequestRun): Promise<BackupSession> {
    const { server } = run.context;
    if (this.#lines.has(server)) return this.#waitInLine(run);
    try {
      return await this.#tryAgain(run);
    } catch (error) {
      if (hasNoConnectionFree(error)) return this.#waitInLine(run, error);
      throw error;
    }
  }

  /** Connects, with up to `attempts` attempts if the cluster does not answer. */
  async #tryAgain(run: RequestRun): Promise<BackupSession> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await connect(run.context.server);
      } catch (error) {
        const unreachable = !(error instanceof HoldfastError) || error.code === 'connection_failed';
        if (!unreachable || hasNoConnectionFree(error) || attempt === attempts) throw error;
        await this.#pause(run);
      }
    }
  }

  async #waitInLine(run: RequestRun, reason?: HoldfastError): Promise<BackupSession> {
    const { server } = run.context;
    const before = this.#lines.get(server) ?? Promise.resolve();
    const { promise: left, resolve: leave } = Promise.withResolvers<void>();
    this.#lines.set(server, left);
    try {
      await run.raceAbort(describe(run, reason));
      await run.raceAbort(before);
      return await this.#untilFree(run);
    } catch (error) {
      await Promise.race([run.describeWait(null), sleep(noteTakes, undefined, { ref: false })]);
      throw error;
    } finally {
      void before.then(() => {
        if (this.#lines.get(server) === left) this.#lines.delete(server);
        leave();
      });
    }
  }

  async #untilFree(run: RequestRun): Promise<BackupSession> {
    for (;;) {
      try {
        return await this.#tryAgain(run);
      } catch (error) {
        if (!hasNoConnectionFree(error)) throw error;
        await run.raceAbort(describe(run, error));
        await this.#pause(run);
      }
    }
  }

  async #pause(run: RequestRun): Promise<void> {
    if (this.#stopped) throw new LeftToNextWorker('the worker is stopping');
    await run.raceAbort(sleep(pauseBetweenAttempts));
    if (run.seen !== undefined && run.seen !== 'requested') throw new EndedElsewhere(run.id, run.seen);
  }
}

/** Opens the monitor session first: a backup session without a monitor session would be held in vain. */
async function connect(server: ClusterServer): Promise<BackupSession> {
  await server.monitor();
  return BackupSession.open(server);
}

async function describe(run: RequestRun, reason: HoldfastError | undefined): Promise<void> {
  const more = reason === undefined ? ', after other requests' : `: ${messageOf(reason.cause)}`;
  await run.describeWait(`a free connection to its server${more}`);
}
