/** Holds a copy to a number of bytes a second. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds of the rate that may be taken at once, after having been slower. */
const burst = 200;

export class RateLimiter {
  readonly #perMillisecond: number;
  #allowedAt = performance.now();

  constructor(bytesPerSecond: number | undefined) {
    this.#perMillisecond = (bytesPerSecond ?? Infinity) / 1000;
  }

  /** Resolves when the next may be taken, which is paid for by a wait before the one after it. */
  async take(bytes: number): Promise<void> {
    const now = performance.now();
    const wait = this.#allowedAt - now;
    this.#allowedAt = Math.max(this.#allowedAt, now - burst) + bytes / this.#perMillisecond;
    if (wait > 0) await sleep(wait);
  }
}
