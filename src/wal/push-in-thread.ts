/** Archives files of WAL in a thread of its own, which compresses without a word to anybody. */
import type { Worker } from 'node:worker_threads';
import { HoldfastError } from '../errors.ts';
import { startThread } from '../thread.ts';
import type { PushOptions } from './push.ts';

export interface Pushed {
  problem?: string;
}

export class PushThread {
  readonly #worker: Worker;
  #underWay = Promise.withResolvers<Pushed>();

  constructor(options: Omit<PushOptions, 'path'>) {
    this.#worker = startThread(import.meta.url, 'push-thread', { workerData: options });
    this.#worker.on('message', (pushed: Pushed) => this.#underWay.resolve(pushed));
    this.#worker.on('error', (error) => this.#underWay.reject(error));
    this.#worker.on('exit', () => this.#underWay.reject(new Error('its thread has ended')));
    this.#underWay.promise.catch(() => undefined); // it ends with none under way, too
  }

  /** One at a time. @throws HoldfastError where the file cannot be archived */
  async push(path: string): Promise<void> {
    if (this.#worker.threadId < 0) throw new HoldfastError('failed', 'the thread that archives has ended');
    this.#underWay = Promise.withResolvers();
    this.#worker.postMessage(path);
    const { problem } = await this.#underWay.promise;
    if (problem !== undefined) throw new HoldfastError('failed', problem);
  }

  /** When no push is under way. */
  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}
