/** A thread that executes tasks, and reports the result of each. */
import { parentPort, type Worker } from 'node:worker_threads';
import { HoldfastError, messageOf } from '../errors.ts';
import { endThread, onTask, startThread } from './threads.ts';

interface Task {
  id: number;
  task: string;
}

interface Done<Result> {
  id: number;
  result?: Result;
  problem?: string;
}

/** A thread as seen by the thread that starts it. The thread's module has to call doTasks(). */
export class TaskThread<Result> {
  readonly #worker: Worker;
  readonly #underWay = new Map<number, PromiseWithResolvers<Done<Result>>>();
  #last = 0;

  /** Starts a thread as startThread() does; `setup` is the workerData of the module. */
  constructor(importer: string, name: string, setup: unknown) {
    this.#worker = startThread(importer, name, { workerData: setup });
    this.#worker.on('message', (done: Done<Result>) => this.#underWay.get(done.id)?.resolve(done));
    this.#worker.on('error', (error) => this.#failAll(error));
    this.#worker.on('exit', () => this.#failAll(new Error('its thread has ended')));
  }

  /** The number of tasks that have not ended. */
  get busy(): number {
    return this.#underWay.size;
  }

  /**
   * Executes a task. Of several at once, one goes on where another waits for the disk.
   * @throws HoldfastError with the message of the task's error
   */
  async do(task: string): Promise<Result> {
    if (this.#worker.threadId < 0) throw new HoldfastError('failed', 'the thread for it has ended');
    const id = (this.#last += 1);
    const done = Promise.withResolvers<Done<Result>>();
    this.#underWay.set(id, done);
    this.#worker.postMessage({ id, task } satisfies Task);
    try {
      const { result, problem } = await done.promise;
      if (problem !== undefined) throw new HoldfastError('failed', problem);
      return result as Result;
    } finally {
      this.#underWay.delete(id);
    }
  }

  /** Ends the thread after the tasks that have begun. */
  async end(): Promise<void> {
    await endThread(this.#worker);
  }

  #failAll(error: unknown): void {
    for (const done of this.#underWay.values()) done.reject(error);
  }
}

/** Called in the thread: executes `work` for each task, at once. */
export function doTasks<Result>(work: (task: string) => Promise<Result> | Result): void {
  const underWay = new Set<Promise<void>>();
  const begin = ({ id, task }: Task) => {
    const answer = (done: Omit<Done<Result>, 'id'>) => parentPort?.postMessage({ id, ...done });
    const ends = Promise.resolve(task)
      .then(work)
      .then(
        (result) => answer({ result }),
        (error: unknown) => answer({ problem: messageOf(error) }),
      )
      .finally(() => underWay.delete(ends));
    underWay.add(ends);
  };
  onTask(begin, () => void Promise.all(underWay).then(() => parentPort?.close()));
}
