/** Starts a copy in threads of its own and passes messages between these threads and the worker. */
import type { Worker } from 'node:worker_threads';
import { HoldfastError } from '../../errors.ts';
import { isFull, repositoryFull } from '../../repository/repository-errors.ts';
import { endThread, startThread } from '../../system/threads.ts';
import type {
  CopyFailure,
  CopyOptions,
  CopyThreadOptions,
  CopySummary,
  FinishOptions,
  FromCoordinator,
  SurveyOptions,
  SurveyResult,
  ToCoordinator,
} from './copy-messages.ts';

/**
 * Megabytes. The young generation is large enough for the results of the frames. A smaller young generation would
 * promote these short-lived objects to the old generation, which would grow by megabytes.
 */
const coordinatorHeap = { maxYoungGenerationSizeMb: 12, maxOldGenerationSizeMb: 64 };

/** Receives the progress and the warnings of a running copy. */
export interface CopyListener {
  /** Bytes of files, before compression. */
  onProgress: (progress: { expected: number; done: number }) => void;
  onWarning: (text: string) => void;
}

/**
 * The threads of one copy. The constructor starts the coordinator, which starts the frame threads, and waits for `survey`
 * and `begin`.
 */
export class CopyEngine {
  readonly #worker: Worker;
  readonly #surveyed = Promise.withResolvers<SurveyResult>();
  readonly #copied = Promise.withResolvers<void>();
  readonly #finished = Promise.withResolvers<CopySummary>();
  /** undefined: `begin` has not been called. */
  #copy: { options: CopyOptions; listener: CopyListener } | undefined;

  constructor(workerData: CopyThreadOptions) {
    const options = { workerData, resourceLimits: coordinatorHeap };
    this.#worker = startThread(import.meta.url, 'copy-coordinator', options);
    for (const { promise } of [this.#surveyed, this.#copied, this.#finished]) promise.catch(() => undefined);
    this.#worker.on('message', (message: FromCoordinator) => this.#receive(message));
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail(new Error('the copy was stopped')));
  }

  /**
   * Looks at all files to copy, and reads what the parent of an incremental copy has.
   * @throws HoldfastError where a file cannot be read; the message has the path
   */
  survey(options: SurveyOptions): Promise<SurveyResult> {
    this.#send({ type: 'survey', options });
    return this.#surveyed.promise;
  }

  /** Begins to copy. */
  begin(options: CopyOptions, listener: CopyListener): void {
    this.#copy = { options, listener };
    this.#send({ type: 'begin', options });
  }

  /** Resolves when everything but backup_label is copied. Rejects when the copy fails or is stopped. */
  get copied(): Promise<void> {
    return this.#copied.promise;
  }

  /**
   * Sends backup_label to the copy. Resolves when the whole copy is on disk.
   * @throws HoldfastError where the copy failed
   */
  finish(ending: FinishOptions): Promise<CopySummary> {
    this.#send({ type: 'finish', ending });
    return this.#finished.promise;
  }

  /** Ends the threads as soon as possible. Nothing is written after the promise resolves. */
  async stop(): Promise<void> {
    await endThread(this.#worker);
  }

  #send(message: ToCoordinator): void {
    this.#worker.postMessage(message);
  }

  #receive(message: FromCoordinator): void {
    if (message.type === 'progress') this.#copy?.listener.onProgress(message);
    else if (message.type === 'warning') this.#copy?.listener.onWarning(message.text);
    else if (message.type === 'surveyed') this.#surveyed.resolve(message.result);
    else if (message.type === 'copied') this.#copied.resolve();
    else if (message.type === 'finished') this.#finished.resolve(message.summary);
    else this.#fail(copyError(message.failure, this.#copy?.options));
  }

  #fail(error: Error): void {
    for (const { reject } of [this.#surveyed, this.#copied, this.#finished]) reject(error);
  }
}

function copyError(failure: CopyFailure, options: CopyOptions | undefined): HoldfastError {
  const { output = '', outputShown = output } = options ?? {};
  const message = failure.message.replaceAll(`${output}/`, `${outputShown}/`);
  return copyFailed({ ...failure, message }, outputShown);
}

/**
 * Builds the error for a failed copy. `output`: the directory of the copy, for a full disk; '' if no copy has
 * begun.
 */
export function copyFailed({ side, code, message }: CopyFailure, output: string): HoldfastError {
  if (side === 'write' && isFull(code)) return repositoryFull(output);
  const advice = {
    read: {
      code: 'copy_unreadable',
      hint: 'run the worker as the user that PostgreSQL runs as; give that user what the message names (chown, chmod), mount what is not mounted, or move away what PostgreSQL does not need',
    },
    write: {
      code: 'repository_unwritable',
      hint: 'see that the repository is writable for the worker ([worker] repository, HOLDFAST_REPOSITORY)',
    },
    damage: {
      code: 'damaged_pages',
      hint: 'repair the relation (see pg_amcheck, REINDEX, zero_damaged_pages) or restore an older backup; or set on_damaged_page = "warn" of the cluster and request the backup again',
    },
    other: { code: 'copy_failed' },
  };
  return new HoldfastError('failed', message, advice[side]);
}
