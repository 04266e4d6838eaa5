/** A pool of threads. Each thread has a few tasks ahead, so that no thread waits for its next task. */
import type { Worker } from 'node:worker_threads';
import { endThread, smallHeap, startThread } from './threads.ts';

/** Bytes for which a further thread is worth its start: one compresses or decompresses about so many meanwhile. */
const bytesPerThread = 64 * 1024 * 1024;

/** The number of threads that so many bytes are worth, of `most`: at least one. */
export function worthwhileThreads(most: number, bytes: number): number {
  return Math.min(most, Math.max(1, Math.ceil(bytes / bytesPerThread)));
}

/** The threads, and the hooks that give them tasks and take their answers. */
export interface ThreadPoolOptions<Task, Answer> {
  /** The URL of the calling module, and the name of the threads' module beside it. */
  importer: string;
  name: string;
  /** The workerData of each thread. */
  setup: unknown;
  /** The number of threads at first. */
  threads: number;
  /** The tasks of a thread at the same time: one in work, and the others waiting. */
  ahead: number;
  /** Returns the next task for a thread, by its number from 0 on; undefined: there is none for now. */
  next: (thread: number) => Task | undefined;
  onAnswer: (answer: Answer) => void;
  /** Called with the error that has ended a thread, or that `onAnswer` has thrown. */
  onError: (error: unknown) => void;
}

interface Thread {
  number: number;
  worker: Worker;
  tasks: number;
}

/** A pool of threads. The constructor starts the threads. */
export class ThreadPool<Task, Answer> {
  readonly #options: ThreadPoolOptions<Task, Answer>;
  readonly #threads: Thread[] = [];

  constructor(options: ThreadPoolOptions<Task, Answer>) {
    this.#options = options;
    this.grow(options.threads);
  }

  /** Starts threads until there are so many; never ends one. */
  grow(threads: number): void {
    while (this.#threads.length < threads) this.#threads.push(this.#start(this.#threads.length));
  }

  /** Whether every thread has all the tasks that it may have. */
  get isFull(): boolean {
    return this.#leastBusy().tasks >= this.#options.ahead;
  }

  /** Gives tasks to the threads, the least busy one first. Called when there are new tasks. */
  fill(): void {
    while (!this.isFull) {
      const thread = this.#leastBusy();
      const task = this.#options.next(thread.number);
      if (task === undefined) return;
      thread.tasks += 1;
      thread.worker.postMessage(task);
    }
  }

  /** Resolves when all threads have ended, after the tasks given before. */
  async end(): Promise<void> {
    await Promise.all(this.#threads.map(({ worker }) => endThread(worker)));
  }

  #start(number: number): Thread {
    const { importer, name, setup, onAnswer, onError } = this.#options;
    const worker = startThread(importer, name, { workerData: setup, resourceLimits: smallHeap });
    const thread = { number, worker, tasks: 0 };
    worker.on('message', (answer: Answer) => {
      thread.tasks -= 1;
      try {
        onAnswer(answer);
      } catch (error) {
        onError(error);
      }
      this.fill();
    });
    worker.on('error', onError);
    return thread;
  }

  #leastBusy(): Thread {
    return this.#threads.reduce((least, thread) => (thread.tasks < least.tasks ? thread : least));
  }
}
