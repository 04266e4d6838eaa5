/**
 * The frame threads of a copy: distributes tasks to the threads and passes on the results in the order of the
 * frames.
 */
import type { PageRules } from '../../postgres/page-checksum.ts';
import { ThreadPool, worthwhileThreads } from '../../system/thread-pool.ts';
import { copyFailureOf } from './copy-error.ts';
import type { CopyFailure, FrameResult, FrameTask, FromThread, ThreadOptions } from './copy-messages.ts';
import { FrameOrder } from './frame-order.ts';

/**
 * Three tasks: one frame that waits to be written, one frame to work on, and one frame that is read ahead. More tasks
 * would take memory without making the copy faster.
 */
const tasksPerThread = 3;

/** Settings and callbacks of the pool. */
export interface FramePoolOptions extends Omit<ThreadOptions, 'turns'> {
  /** The most threads. */
  threads: number;
  /** Called in the order of the frames. */
  onResult: (result: FrameResult) => void;
  onFailure: (failure: CopyFailure) => void;
}

/** A pool of frame threads. The constructor starts the first one. */
export class FramePool {
  readonly #options: FramePoolOptions;
  readonly #pool: ThreadPool<FrameTask, FromThread>;
  readonly #turns = new FrameOrder();
  readonly #waiting: FrameTask[] = [];
  readonly #outOfOrder = new Map<number, FrameResult>();
  /** How the pages of the frames are verified that are submitted from now on; undefined: they have no checksums. */
  pages: PageRules | undefined;
  #submitted = 0;
  #passedOn = 0;
  #wake: (() => void) | undefined;

  constructor(options: FramePoolOptions) {
    this.#options = options;
    const { level } = options;
    this.#pool = new ThreadPool({
      importer: import.meta.url,
      name: 'frame-thread',
      setup: { level, turns: this.#turns.buffer } satisfies ThreadOptions,
      threads: 1,
      ahead: tasksPerThread,
      next: () => this.#waiting.shift(),
      onAnswer: (message) => this.#receive(message),
      onError: (error) => options.onFailure(copyFailureOf(error)),
    });
  }

  /** Starts as many threads as so many bytes of files are worth. The time of zstd grows about as the square of the level. */
  growFor(bytes: number): void {
    const { threads, level } = this.#options;
    this.#pool.grow(worthwhileThreads(threads, bytes * level ** 2));
    this.#pool.fill();
  }

  /**
   * Submits a frame. Resolves when there is room for another task. Frames are placed in the order of the calls.
   */
  async submit(task: Omit<FrameTask, 'number' | 'pages'>, onNumber: (number: number) => void): Promise<void> {
    const number = this.#submitted;
    this.#submitted += 1;
    onNumber(number);
    this.#waiting.push({ ...task, number, pages: this.pages });
    this.#pool.fill();
    while (this.#waiting.length > 0 || this.#pool.isFull) await this.#change();
  }

  /** Resolves when all submitted frames are written. */
  async drain(): Promise<void> {
    while (this.#passedOn < this.#submitted) await this.#change();
  }

  /** Resolves when all threads have ended. A frame that has no place by now is not written. */
  async close(): Promise<void> {
    this.#turns.stop();
    await this.#pool.end();
  }

  /** Passes on the results in the order of the frames. */
  #receive(message: FromThread): void {
    if ('failure' in message) {
      this.#options.onFailure(message.failure);
      return;
    }
    const { result } = message;
    this.#outOfOrder.set(result.number, result);
    for (
      let next = this.#outOfOrder.get(this.#passedOn);
      next !== undefined;
      next = this.#outOfOrder.get(this.#passedOn)
    ) {
      this.#outOfOrder.delete(this.#passedOn);
      this.#passedOn += 1;
      this.#options.onResult(next);
    }
    this.#wake?.();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }
}
