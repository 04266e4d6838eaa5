/** A thread that does one task after the other, and says what came of each. */
import { parentPort, type Worker } from 'node:worker_threads';
import { HoldfastError, messageOf } from '../errors.ts';
import { endThread, onTask, startThread } from './threads.ts';

interface Done<Result> {
  result?: Result;
  problem?: string;
}

export class TaskThread<Result> {
  readonly #worker: Worker;
  #underWay = Promise.withResolvers<Done<Result>>();

  /** As startThread(); `setup` is the module's workerData. */
  constructor(importer: string, name: string, setup: unknown) {
    this.#worker = startThread(importer, name, { workerData: setup });
    this.#worker.on('message', (done: Done<Result>) => this.#underWay.resolve(done));
    this.#worker.on('error', (error) => this.#underWay.reject(error));
    this.#worker.on('exit', () => this.#underWay.reject(new Error('its thread has ended')));
    this.#underWay.promise.catch(() => undefined); // it ends with none under way, too
  }

  /** One at a time. @throws HoldfastError with what the task has failed with */
  async do(task: string): Promise<Result> {
    if (this.#worker.threadId < 0) throw new HoldfastError('failed', 'the thread for it has ended');
    this.#underWay = Promise.withResolvers();
    this.#worker.postMessage(task);
    const { result, problem } = await this.#underWay.promise;
    if (problem !== undefined) throw new HoldfastError('failed', problem);
    return result as Result;
  }

  /** After the task that is under way. */
  async end(): Promise<void> {
    await endThread(this.#worker);
  }
}

/** In the thread: what it does for each task. */
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
