/** What the worker knows of one request that it holds. */
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

export interface RunContext {
  /** A backup session has been let go: there is room for another. */
  onSessionReleased: () => void;
  control: ControlLink;
  server: ClusterServer;
  /** The label directory. */
  labels: string;
  /** The repository's directory. */
  repository: string;
  /** Of method copy: threads, and zstd's level where the request does not say. */
  copyJobs: number;
  compressLevel: number;
  onDamagedPage: 'warn' | 'fail';
  /** Bytes of the repository's disk that a copy leaves to WAL. */
  walReserve: number;
  /** Milliseconds that running may last where the request does not say; 0: no limit. */
  holdTimeout: number;
  /** Milliseconds that no request may exceed; 0: no cap. */
  maxHoldTimeout: number;
  log: Log;
}

/** Somebody else has ended the request: there is nothing to write. */
export class EndedElsewhere extends Error {
  readonly state: BackupState | undefined;

  constructor(id: number, state: BackupState | undefined) {
    super(`backup request ${id} is ${state ?? 'no longer ours'}`);
    this.state = state;
  }
}

/** The worker is stopping and leaves this request to the next one. */
export class LeftToNextWorker extends Error {}

export class RequestRun {
  readonly id: number;
  readonly context: RunContext;
  readonly #abort = new AbortController();
  #windowIsOpen = true;
  #seen: BackupState | undefined;
  #holdsSession = false;
  readonly #waiting = new Set<{ wanted: BackupState; resolve: () => void }>();
  readonly #warnings = new Set<string>();
  #detail: string | null = null;
  #describing = false;

  constructor(id: number, context: RunContext) {
    this.id = id;
    this.context = context;
  }

  /** Aborted with the reason, when the request is to end early. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  end(reason: Error): void {
    this.#abort.abort(reason);
  }

  /** Ends the request if its backup window is still open: afterwards its session is no longer needed. */
  endWindow(reason: Error): void {
    if (this.#windowIsOpen) this.end(reason);
  }

  closeWindow(): void {
    this.#windowIsOpen = false;
  }

  /** Whether a backup session is held for it. */
  get holdsSession(): boolean {
    return this.#holdsSession;
  }

  takeSession(): void {
    this.#holdsSession = true;
  }

  releaseSession(): void {
    if (!this.#holdsSession) return;
    this.#holdsSession = false;
    this.context.onSessionReleased();
  }

  /** In which state the row has been seen last; undefined: it has not been looked at. */
  get seen(): BackupState | undefined {
    return this.#seen;
  }

  /** The row has been seen in this state. */
  onRowState(state: BackupState | undefined): void {
    this.#seen = state;
    if (state === undefined || state === 'cancelled' || state === 'failed')
      this.end(new EndedElsewhere(this.id, state));
    for (const waiter of this.#waiting) if (waiter.wanted === state) waiter.resolve();
  }

  /** Resolves when the row has been seen in that state; rejects when the run is ended. */
  async waitForState(wanted: BackupState): Promise<void> {
    await this.raceAbort(
      new Promise<void>((resolve) => {
        const waiter = { wanted, resolve };
        this.#waiting.add(waiter);
        this.signal.addEventListener('abort', () => this.#waiting.delete(waiter), { once: true });
      }),
    );
  }

  /** The promise's outcome, or the reason why the job was ended first. */
  async raceAbort<T>(promise: Promise<T>): Promise<T> {
    // Its failure has nobody to hear of it once the run is ended, and would end the worker.
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
   * Makes a move, for as long as it takes to reach the control database. A move whose commit went unanswered
   * is found made. @throws Superseded when the request is in no state for it
   */
  async move(
    to: BackupState,
    make: (db: Connection) => Promise<boolean>,
    signal?: AbortSignal,
  ): Promise<void> {
    const state = await this.context.control
      .run(async (db) => ((await make(db)) ? to : await stateOf(db, this.id)), signal)
      .catch(explainRefusal(this.id));
    const overtaken = to === 'running' && state === 'done'; // made, unanswered, and finished by the client since
    if (state !== to && !overtaken) throw new EndedElsewhere(this.id, state);
  }

  /** Notes what went wrong without failing the request; never in the way of what matters. */
  warn(warning: string): void {
    if (this.#warnings.has(warning)) return;
    this.#warnings.add(warning);
    this.context.log.warning(warning, { request: this.id });
    void this.#note((db) => addWarning(db, this.id, warning));
  }

  /** What the stage waits for. Only the latest is written: without a control database they would pile up. */
  describe(detail: string | null): void {
    this.#detail = detail;
    if (this.#describing) return;
    this.#describing = true;
    void this.#note((db) => describeStage(db, this.id, this.#detail)).finally(
      () => (this.#describing = false),
    );
  }

  /** What keeps us from taking it; null: nothing any more. In the order of the calls. */
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

/** The guard refuses a worker whose request another one has taken over meanwhile. */
function explainRefusal(id: number) {
  return (error: unknown): never => {
    if (error instanceof ServerError && error.code === insufficientPrivilege)
      throw new EndedElsewhere(id, undefined);
    throw error;
  };
}

/** Fails the request, unless somebody else has ended it or is to go on with it. */
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

/** Fails a request that could not be begun, unless another worker has taken it meanwhile. */
export async function recordRefusal(run: RequestRun, error: HoldfastError): Promise<void> {
  const { control, log } = run.context;
  const failed = await control.run((db) => failWaiting(db, run.id, failureOf(error)));
  if (failed) log.error('backup refused', { request: run.id, code: error.code, reason: error.message });
}

/** What goes into the row for an error. */
function failureOf(error: unknown): { code: string; message: string; hint: string | null } {
  if (error instanceof HoldfastError)
    return { code: error.code, message: error.message, hint: error.hint ?? null };
  return { code: 'backup_failed', message: messageOf(error), hint: null };
}
