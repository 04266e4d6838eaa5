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

  constructor(options: Omit<PushOptions, 'path'>) {
    this.#worker = startThread(import.meta.url, 'push-thread', { workerData: options });
  }

  /** One at a time. @throws HoldfastError where the file cannot be archived */
  async push(path: string): Promise<void> {
    const { problem } = await new Promise<Pushed>((resolve, reject) => {
      this.#worker.once('message', resolve);
      this.#worker.once('error', reject);
      this.#worker.postMessage(path);
    });
    this.#worker.removeAllListeners();
    if (problem !== undefined) throw new HoldfastError('failed', problem);
  }

  /** When no push is under way. */
  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}
