/** A copy in threads of its own, as the worker sees it. */
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

/** With room for what is said of a frame's files to die young: it would pile up among the old by the megabyte. */
const coordinatorHeap = { maxYoungGenerationSizeMb: 12, maxOldGenerationSizeMb: 64 };

export interface CopyListener {
  /** Bytes of files. */
  onProgress: (progress: { expected: number; done: number }) => void;
  onWarning: (text: string) => void;
}

export class CopyEngine {
  readonly #worker: Worker;
  /** Resolves when everything but the label is copied. */
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

  /** When all of it is on the disk. */
  async finish(ending: FinishOptions): Promise<CopySummary> {
    this.#worker.postMessage(ending);
    return this.#finished;
  }

  /** Ends its threads as soon as may be: nothing is written any more when it resolves. */
  async stop(): Promise<void> {
    await endThread(this.#worker);
  }
}

function shown(failure: CopyFailure, { output, outputShown = output }: CopyOptions): CopyFailure {
  return { ...failure, message: failure.message.replaceAll(`${output}/`, `${outputShown}/`) };
}

/** `output`: where the copy goes, if it has begun. */
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
