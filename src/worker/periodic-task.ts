/** Does something again and again, never twice at once; a failure is logged and is no reason to stop. */
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';

export class PeriodicTask {
  readonly #milliseconds: number;
  readonly #work: () => Promise<void>;
  readonly #log: Log;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #hurry: (() => void) | undefined;

  constructor(milliseconds: number, work: () => Promise<void>, log: Log) {
    this.#milliseconds = milliseconds;
    this.#work = work;
    this.#log = log;
  }

  start(): void {
    this.#running ??= this.#loop();
  }

  /** Does not wait for the next time. */
  now(): void {
    this.#hurry?.();
    this.#hurry = undefined;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.now();
    await this.#running;
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const hurried = new Promise<void>((resolve) => (this.#hurry = resolve));
      try {
        await this.#work();
      } catch (error) {
        if (!signal.aborted) this.#log.warning('will be tried again', { reason: messageOf(error) });
      }
      const waiting = new AbortController();
      await Promise.race([
        hurried,
        sleep(this.#milliseconds, undefined, { signal: AbortSignal.any([signal, waiting.signal]) }).catch(
          () => undefined,
        ),
      ]);
      waiting.abort();
    }
  }
}
