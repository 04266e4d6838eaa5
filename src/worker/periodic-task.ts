/**
 * Runs a function periodically and never twice at once. An error of the function is logged and does not stop
 * the task.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';

/** Milliseconds. Notifications ask for runs, and any role can send notifications. */
const usualRest = 100;
/** Milliseconds. Whoever asks without end keeps half of the worker's time busy at most. */
const longestRest = 1000;

/** A function that runs every so many milliseconds, counted from the end of the last run, and on demand. */
export class PeriodicTask {
  readonly #milliseconds: number;
  readonly #work: () => Promise<void>;
  readonly #log: Log;
  readonly #rest: number;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #hurry: (() => void) | undefined;

  /** `rest`: milliseconds after a run in which `now` begins no other; after a longer run the rest is longer. */
  constructor(milliseconds: number, work: () => Promise<void>, log: Log, rest = usualRest) {
    this.#milliseconds = milliseconds;
    this.#work = work;
    this.#log = log;
    this.#rest = rest;
  }

  start(): void {
    this.#running ??= this.#loop();
  }

  /**
   * Ends the current pause: the function runs now. If the function is running, or ended less than `rest` ago, it runs once
   * more after that.
   */
  now(): void {
    this.#hurry?.();
    this.#hurry = undefined;
  }

  /** Resolves once the current run of the function has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.now();
    await this.#running;
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const hurried = new Promise<void>((resolve) => (this.#hurry = resolve));
      const began = performance.now();
      try {
        await this.#work();
      } catch (error) {
        if (!signal.aborted) this.#log.warning('will be tried again', { reason: messageOf(error) });
      }
      const rest = Math.max(this.#rest, Math.min(longestRest, performance.now() - began));
      const waiting = new AbortController();
      const ends = AbortSignal.any([signal, waiting.signal]);
      const pause = (milliseconds: number) =>
        sleep(milliseconds, undefined, { signal: ends }).catch(() => undefined);
      await Promise.race([Promise.all([hurried, pause(rest)]), pause(this.#milliseconds)]);
      waiting.abort();
    }
  }
}
