/** Starts a copy in threads of its own and passes messages between these threads and the worker. */
import type { Worker } from 'node:worker_threads';
import { HoldfastError } from '../../errors.ts';
import { isFull, repositoryFull } from '../../repository/repository-errors.ts';
import { endThread, startThread } from '../../system/threads.ts';
import type {
  CopyFailure,
  CopyOptions,
  CopySummary,
  FinishOptions,
  FromCoordinator,
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

/** A running copy. The constructor starts the threads. */
export class CopyEngine {
  readonly #worker: Worker;
  /** Resolves when everything but backup_label is copied. Rejects when the copy fails or is stopped. */
  readonly copied: Promise<void>;
  readonly #finished: Promise<CopySummary>;

  constructor(options: CopyOptions, listener: CopyListener) {
    this.#worker = startThread(import.meta.url, 'copy-coordinator', {
      workerData: options,
      resourceLimits: coordinatorHeap,
    });
    const copied = Promise.withResolvers<void>();
    const finished = Promise.withResolvers<CopySummary>();
    this.copied = copied.promise;
    this.#finished = finished.promise;
    this.copied.catch(() => undefined);
    this.#finished.catch(() => undefined);
    const fail = (error: Error) => {
      copied.reject(error);
      finished.reject(error);
    };
    this.#worker.on('message', (message: FromCoordinator) => {
      if (message.type === 'progress') listener.onProgress(message);
      else if (message.type === 'warning') listener.onWarning(message.text);
      else if (message.type === 'copied') copied.resolve();
      else if (message.type === 'finished') finished.resolve(message.summary);
      else fail(copyFailed(shown(message.failure, options), options.outputShown ?? options.output));
    });
    this.#worker.on('error', fail);
    this.#worker.on('exit', () => fail(new Error('the copy was stopped')));
  }

  /**
   * Sends backup_label to the copy. Resolves when the whole copy is on disk.
   * @throws HoldfastError where the copy failed
   */
  async finish(ending: FinishOptions): Promise<CopySummary> {
    this.#worker.postMessage(ending);
    return this.#finished;
  }

  /** Ends the threads as soon as possible. Nothing is written after the promise resolves. */
  async stop(): Promise<void> {
    await endThread(this.#worker);
  }
}

function shown(failure: CopyFailure, { output, outputShown = output }: CopyOptions): CopyFailure {
  return { ...failure, message: failure.message.replaceAll(`${output}/`, `${outputShown}/`) };
}

/**
 * Builds the error for a failed copy. `output`: the directory of the copy, for a full disk; '' if no copy has
 * begun.
 */
export function copyFailed({ side, code, message }: CopyFailure, output = ''): HoldfastError {
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
