/**
 * The sessions that are being opened for requests which nobody has claimed yet. Where the server answers, and has no
 * connection free, requests wait in a line of their cluster, of which the first one tries; who is cancelled leaves it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { BackupSession } from '../backup/backup-session.ts';
import { LeftToNextWorker, recordRefusal, EndedElsewhere, type RequestRun } from '../backup/request-run.ts';
import type { ClusterServer } from '../server/cluster-server.ts';
import { hasNoConnectionFree } from '../database/connection-error.ts';
import { HoldfastError, messageOf } from '../errors.ts';

/** How often and how far apart (milliseconds) a cluster that does not answer is tried. */
const attempts = 5;
const pauseBetweenAttempts = 1000;
/** Milliseconds for a note: the control database may be away while the worker stops. */
const noteTakes = 1000;

export class Openings {
  readonly #jobs = new Set<RequestRun>();
  /** Of each cluster without a free connection: when all who wait there have left. */
  readonly #lines = new Map<ClusterServer, Promise<void>>();
  #stopped = false;

  /** undefined: the request has failed, or is not ours to take. */
  async open(job: RequestRun): Promise<BackupSession | undefined> {
    this.#jobs.add(job);
    try {
      return await this.#openOrWait(job);
    } catch (error) {
      job.releaseSession();
      if (error instanceof EndedElsewhere || error instanceof LeftToNextWorker)
        job.context.log.debug('not taken', { request: job.id, reason: messageOf(error) });
      else await recordRefusal(job, explained(job.context.target, error));
      return undefined;
    } finally {
      this.#jobs.delete(job);
    }
  }

  /** Requests that wait are left as they are. */
  stop(): void {
    this.#stopped = true;
    for (const job of this.#jobs) job.end(new LeftToNextWorker('the worker is stopping'));
  }

  async #openOrWait(job: RequestRun): Promise<BackupSession> {
    const { target } = job.context;
    if (this.#lines.has(target)) return this.#waitInLine(job);
    try {
      return await this.#tryAgain(job);
    } catch (error) {
      if (hasNoConnectionFree(error)) return this.#waitInLine(job, error);
      throw error;
    }
  }

  /** A few times, where the cluster does not answer. */
  async #tryAgain(job: RequestRun): Promise<BackupSession> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await connect(job.context.target);
      } catch (error) {
        const unreachable = !(error instanceof HoldfastError) || error.code === 'connection_failed';
        if (!unreachable || hasNoConnectionFree(error) || attempt === attempts) throw error;
        await this.#pause(job);
      }
    }
  }

  async #waitInLine(job: RequestRun, reason?: HoldfastError): Promise<BackupSession> {
    const { target } = job.context;
    const before = this.#lines.get(target) ?? Promise.resolve();
    const { promise: left, resolve: leave } = Promise.withResolvers<void>();
    this.#lines.set(target, left);
    try {
      await job.unlessEnded(describe(job, reason));
      await job.unlessEnded(before);
      return await this.#untilFree(job);
    } catch (error) {
      await Promise.race([job.describeWait(null), sleep(noteTakes, undefined, { ref: false })]);
      throw error;
    } finally {
      void before.then(() => {
        if (this.#lines.get(target) === left) this.#lines.delete(target);
        leave();
      });
    }
  }

  async #untilFree(job: RequestRun): Promise<BackupSession> {
    for (;;) {
      try {
        return await this.#tryAgain(job);
      } catch (error) {
        if (!hasNoConnectionFree(error)) throw error;
        await job.unlessEnded(describe(job, error));
        await this.#pause(job);
      }
    }
  }

  async #pause(job: RequestRun): Promise<void> {
    if (this.#stopped) throw new LeftToNextWorker('the worker is stopping');
    await job.unlessEnded(sleep(pauseBetweenAttempts));
    if (job.seen !== undefined && job.seen !== 'requested') throw new EndedElsewhere(job.id, job.seen);
  }
}

/** The companion first: without it, a session would be held for nothing. */
async function connect(target: ClusterServer): Promise<BackupSession> {
  await target.companion();
  return BackupSession.open(target);
}

async function describe(job: RequestRun, reason: HoldfastError | undefined): Promise<void> {
  const more = reason === undefined ? ', after other requests' : `: ${messageOf(reason.cause)}`;
  await job.describeWait(`a free connection to its server${more}`);
}

function explained(target: ClusterServer, cause: unknown): HoldfastError {
  if (cause instanceof HoldfastError && cause.code !== 'connection_failed') return cause;
  return new HoldfastError('failed', `cluster "${target.name}" does not answer: ${messageOf(cause)}`, {
    code: 'cluster_unreachable',
    hint: "see that its server runs and that the url of the cluster in the worker's configuration is right",
    cause,
  });
}
