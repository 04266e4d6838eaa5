/**
 * The frame threads of a copy: distributes tasks to the threads and passes on the results in the order of the
 * frames.
 */
import type { Worker } from 'node:worker_threads';
import { endThread, smallHeap, startThread } from '../../system/threads.ts';
import { copyFailureOf } from './copy-error.ts';
import type { CopyFailure, FrameResult, FrameTask, FromThread, ThreadOptions } from './copy-messages.ts';
import { FrameOrder } from './frame-order.ts';

/**
 * Two tasks: one frame that waits to be written, and one frame to work on. More tasks would take memory without
 * making the copy faster.
 */
const tasksPerThread = 2;

/** Settings and callbacks of the pool. */
export interface FramePoolOptions extends Omit<ThreadOptions, 'turns'> {
  /** The number of threads. */
  threads: number;
  /** Called in the order of the frames. */
  onResult: (result: FrameResult) => void;
  onFailure: (failure: CopyFailure) => void;
}

interface Thread {
  worker: Worker;
  tasks: number;
}

/** A pool of frame threads. The constructor starts the threads. */
export class FramePool {
  readonly #options: FramePoolOptions;
  readonly #threads: Thread[] = [];
  readonly #turns = new FrameOrder();
  readonly #outOfOrder = new Map<number, FrameResult>();
  #submitted = 0;
  #passedOn = 0;
  #wake: (() => void) | undefined;

  constructor(options: FramePoolOptions) {
    this.#options = options;
    for (let number = 0; number < options.threads; number += 1) this.#threads.push(this.#start());
  }

  /**
   * Submits a frame. Resolves when there is room for another task. Frames are placed in the order of the calls.
   */
  async submit(task: Omit<FrameTask, 'number'>, onNumber: (number: number) => void): Promise<void> {
    const number = this.#submitted;
    this.#submitted += 1;
    onNumber(number);
    const thread = this.#leastBusy();
    thread.tasks += 1;
    thread.worker.postMessage({ ...task, number } satisfies FrameTask);
    while (this.#leastBusy().tasks >= tasksPerThread) await this.#change();
  }

  /** Resolves when all submitted frames are written. */
  async drain(): Promise<void> {
    while (this.#passedOn < this.#submitted) await this.#change();
  }

  /** Resolves when all threads have ended. A frame that has no place by now is not written. */
  async close(): Promise<void> {
    this.#turns.stop();
    await Promise.all(this.#threads.map(({ worker }) => endThread(worker)));
  }

  #start(): Thread {
    const { level, pages } = this.#options;
    const workerData: ThreadOptions = { level, pages, turns: this.#turns.buffer };
    const worker = startThread(import.meta.url, 'frame-thread', { workerData, resourceLimits: smallHeap });
    const thread = { worker, tasks: 0 };
    worker.on('message', (message: FromThread) => {
      thread.tasks -= 1;
      if ('failure' in message) this.#options.onFailure(message.failure);
      else this.#receive(message.result);
    });
    worker.on('error', (error) => this.#options.onFailure(copyFailureOf(error)));
    return thread;
  }

  /** Passes on a result. Recording the result may fail, too. */
  #receive(result: FrameResult): void {
    try {
      this.#onResult(result);
    } catch (error) {
      this.#options.onFailure(copyFailureOf(error));
    }
  }

  #onResult(result: FrameResult): void {
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

  #leastBusy(): Thread {
    return this.#threads.reduce((least, thread) => (thread.tasks < least.tasks ? thread : least));
  }

  #change(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }
}
