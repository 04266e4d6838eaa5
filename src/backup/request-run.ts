/** The state of a request while a worker has the request. */
import type { ControlLink } from '../control/control-link.ts';
import { ServerError, type Connection } from '../database/connection.ts';
import {
  addWarning,
  describeStage,
  describeWait,
  failWaiting,
  markFailed,
  stateOf,
} from '../control/backup-requests.ts';
import type { BackupState } from '../control/backup-states.ts';
import { HoldfastError, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { ClusterServer } from '../server/cluster-server.ts';

/** The connections and settings of a worker for one cluster, which all requests share. */
export interface RunContext {
  /** Called when a backup session has been closed, so that another request may take its place. */
  onSessionReleased: () => void;
  control: ControlLink;
  server: ClusterServer;
  /** The label directory. */
  labels: string;
  /** The directory of the repository. */
  repository: string;
  /** For method copy: number of threads. */
  copyJobs: number;
  /** For method copy: zstd compression level of requests without compress_level. */
  compressLevel: number;
  onDamagedPage: 'warn' | 'fail';
  /** For method copy: the most incremental copies in a chain. */
  maxChain: number;
  /** Bytes of free space in the repository that a copy leaves for WAL. */
  walReserve: number;
  /** Milliseconds for state running, for requests without hold_timeout; 0: no limit. */
  holdTimeout: number;
  /** Milliseconds, as upper limit for every hold_timeout; 0: no limit. */
  maxHoldTimeout: number;
  log: Log;
}

/** The hint where a backup has ended before its copy was a backup. */
export const copyIsNoBackup =
  'request the backup again, and throw away what was copied for this one: it is not a backup';

/** The request has been ended by another worker or by the client, so the worker has nothing to write. */
export class EndedElsewhere extends Error {
  /** undefined: another worker has taken over the request. */
  readonly state: BackupState | undefined;

  constructor(id: number, state: BackupState | undefined) {
    super(`backup request ${id} is ${state ?? 'no longer ours'}`);
    this.state = state;
  }
}

/** The worker is stopping and leaves this request to the next worker. */
export class LeftToNextWorker extends Error {}

/** A request while a worker has the request. */
export class RequestRun {
  readonly id: number;
  readonly context: RunContext;
  /** Whether the request has a backup session, or is about to get one. Only HeldSession changes this. */
  holdsSession = false;
  readonly #abort = new AbortController();
  #windowIsOpen = true;
  #seen: BackupState | undefined;
  readonly #waiting = new Set<{ wanted: BackupState; resolve: () => void }>();
  readonly #warnings = new Set<string>();
  #detail: string | null = null;
  #describing = false;

  constructor(id: number, context: RunContext) {
    this.id = id;
    this.context = context;
  }

  /** Aborted with the reason when the request ends early. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Ends the request early. */
  end(reason: Error): void {
    this.#abort.abort(reason);
  }

  /**
   * Ends the request if its backup window is still open. After the window, the request no longer needs its
   * session.
   */
  endWindow(reason: Error): void {
    if (this.#windowIsOpen) this.end(reason);
  }

  /** Called before pg_backup_stop. */
  closeWindow(): void {
    this.#windowIsOpen = false;
  }

  /**
   * The state in which the row was last seen; undefined: the row was not looked at yet, or the request is gone.
   */
  get seen(): BackupState | undefined {
    return this.#seen;
  }

  /** Called when the row has been seen in this state; undefined: the row no longer belongs to this worker. */
  onRowState(state: BackupState | undefined): void {
    this.#seen = state;
    if (state === undefined || state === 'cancelled' || state === 'failed')
      this.end(new EndedElsewhere(this.id, state));
    for (const waiter of this.#waiting) if (waiter.wanted === state) waiter.resolve();
  }

  /**
   * Resolves once the row has been seen in the state `wanted`, at once if that was the last state seen. Rejects with
   * the reason for which the run was ended.
   */
  async waitForState(wanted: BackupState): Promise<void> {
    if (this.#seen === wanted) return;
    await this.raceAbort(
      new Promise<void>((resolve) => {
        const waiter = { wanted, resolve };
        this.#waiting.add(waiter);
        this.signal.addEventListener('abort', () => this.#waiting.delete(waiter), { once: true });
      }),
    );
  }

  /** Resolves or rejects like the promise. Rejects earlier with the reason if the run is ended first. */
  async raceAbort<T>(promise: Promise<T>): Promise<T> {
    // After the run is ended, nothing handles a rejection of the promise; an unhandled rejection would end the
    // worker.
    promise.catch(() => undefined);
    this.signal.throwIfAborted();
    let onAbort: (() => void) | undefined;
    const ended = new Promise<never>((_, reject) => {
      onAbort = () => reject(this.signal.reason as Error);
      this.signal.addEventListener('abort', onAbort, { once: true });
    });
    try {
      return await Promise.race([promise, ended]);
    } finally {
      if (onAbort) this.signal.removeEventListener('abort', onAbort);
    }
  }

  /**
   * Moves the request to another state, and retries until the control database can be reached. A move whose commit
   * was not confirmed is found as made.
   * @throws EndedElsewhere where the request is in no state for this move
   */
  async move(
    to: BackupState,
    make: (db: Connection) => Promise<boolean>,
    signal?: AbortSignal,
  ): Promise<void> {
    const state = await this.context.control
      .run(async (db) => ((await make(db)) ? to : await stateOf(db, this.id)), signal)
      .catch(explainRefusal(this.id));
    // the move was made without confirmation, and the client has finished the backup since
    const overtaken = to === 'running' && state === 'done';
    if (state !== to && !overtaken) throw new EndedElsewhere(this.id, state);
    if (overtaken) this.onRowState(state);
  }

  /** Adds a warning to the request. Runs in the background; a failure does not fail the request. */
  warn(warning: string): void {
    if (this.#warnings.has(warning)) return;
    this.#warnings.add(warning);
    this.context.log.warning(warning, { request: this.id });
    void this.#note((db) => addWarning(db, this.id, warning));
  }

  /**
   * Records the reason for which the present stage waits; null: the stage does not wait. Only the latest text is
   * written: without a control database, texts would pile up.
   */
  describe(detail: string | null): void {
    this.#detail = detail;
    if (this.#describing) return;
    this.#describing = true;
    void this.#note((db) => describeStage(db, this.id, this.#detail)).finally(
      () => (this.#describing = false),
    );
  }

  /**
   * Records why no worker takes the request; null: no reason any more. Texts are written in the order of the
   * calls.
   */
  async describeWait(detail: string | null): Promise<void> {
    await this.#note((db) => describeWait(db, this.id, detail));
  }

  async #note(work: (db: Connection) => Promise<void>): Promise<void> {
    await this.context.control.run(work).catch((error: unknown) => {
      this.context.log.debug('a note was not written', { request: this.id, reason: messageOf(error) });
    });
  }
}

const insufficientPrivilege = '42501';

/**
 * The guard trigger refuses a move by a worker after another worker has taken over the request.
 * @throws EndedElsewhere in this case
 */
function explainRefusal(id: number) {
  return (error: unknown): never => {
    if (error instanceof ServerError && error.code === insufficientPrivilege)
      throw new EndedElsewhere(id, undefined);
    throw error;
  };
}

/** Records a failure in the row, unless the request has been ended elsewhere or is left to the next worker. */
export async function recordFailure(run: RequestRun, error: unknown): Promise<void> {
  const { control, log } = run.context;
  if (error instanceof EndedElsewhere) {
    const by = error.state === undefined ? 'another worker' : 'the client';
    log.info(`backup ended by ${by}`, { request: run.id, state: error.state });
  } else if (error instanceof LeftToNextWorker) {
    log.info('backup left to the next worker', { request: run.id });
  } else {
    const failure = failureOf(error);
    log.error('backup failed', { request: run.id, code: failure.code, reason: failure.message });
    await control.run((db) => markFailed(db, run.id, failure)).catch(explainRefusal(run.id));
  }
}

/** Fails a request that could not be started, unless another worker has taken the request meanwhile. */
export async function recordRefusal(run: RequestRun, error: HoldfastError): Promise<void> {
  const { control, log } = run.context;
  const failed = await control.run((db) => failWaiting(db, run.id, failureOf(error)));
  if (failed) log.error('backup refused', { request: run.id, code: error.code, reason: error.message });
}

/** The columns of the row for an error. */
function failureOf(error: unknown): { code: string; message: string; hint: string | null } {
  if (error instanceof HoldfastError)
    return { code: error.code, message: error.message, hint: error.hint ?? null };
  return {
    code: 'backup_failed',
    message: messageOf(error),
    hint: 'read the log of the worker, mend what it names, and request the backup again',
  };
}
