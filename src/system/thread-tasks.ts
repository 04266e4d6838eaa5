/** A thread that executes tasks one after the other, and reports the result of each. */
import { parentPort, type Worker } from 'node:worker_threads';
import { HoldfastError, messageOf } from '../errors.ts';
import { endThread, onTask, startThread } from './threads.ts';

interface Done<Result> {
  result?: Result;
  problem?: string;
}

/** A thread as seen by the thread that starts it. The thread's module has to call doTasks(). */
export class TaskThread<Result> {
  readonly #worker: Worker;
  #underWay = Promise.withResolvers<Done<Result>>();

  /** Starts a thread as startThread() does; `setup` is the workerData of the module. */
  constructor(importer: string, name: string, setup: unknown) {
    this.#worker = startThread(importer, name, { workerData: setup });
    this.#worker.on('message', (done: Done<Result>) => this.#underWay.resolve(done));
    this.#worker.on('error', (error) => this.#underWay.reject(error));
    this.#worker.on('exit', () => this.#underWay.reject(new Error('its thread has ended')));
    this.#underWay.promise.catch(() => undefined); // the thread may end while no task is running
  }

  /** Executes one task; only one at a time. @throws HoldfastError with the message of the task's error */
  async do(task: string): Promise<Result> {
    if (this.#worker.threadId < 0) throw new HoldfastError('failed', 'the thread for it has ended');
    this.#underWay = Promise.withResolvers();
    this.#worker.postMessage(task);
    const { result, problem } = await this.#underWay.promise;
    if (problem !== undefined) throw new HoldfastError('failed', problem);
    return result as Result;
  }

  /** Ends the thread after the current task. */
  async end(): Promise<void> {
    await endThread(this.#worker);
  }
}

/** Called in the thread: executes `work` for each task. */
export function doTasks<Result>(work: (task: string) => Promise<Result> | Result): void {
  let last = Promise.resolve();
  const begin = (task: string) => {
    const answer = (done: Done<Result>) => parentPort?.postMessage(done);
    last = Promise.resolve(task)
      .then(work)
      .then(
        (result) => answer({ result }),
        (error: unknown) => answer({ problem: messageOf(error) }),
      );
  };
  onTask(begin, () => void last.then(() => parentPort?.close()));
}
