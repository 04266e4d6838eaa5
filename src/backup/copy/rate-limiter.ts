/** Limits a copy to a number of bytes per second. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds of the rate that may be used at once after a slower time. */
const burst = 200;

/** A limiter for all files of a copy. */
export class RateLimiter {
  readonly #perMillisecond: number;
  #allowedAt = performance.now();

  /** undefined: no limit. */
  constructor(bytesPerSecond: number | undefined) {
    this.#perMillisecond = (bytesPerSecond ?? Infinity) / 1000;
  }

  /** Resolves when the next bytes may be read. The bytes of a call delay the call after. */
  async take(bytes: number): Promise<void> {
    const now = performance.now();
    const wait = this.#allowedAt - now;
    this.#allowedAt = Math.max(this.#allowedAt, now - burst) + bytes / this.#perMillisecond;
    if (wait > 0) await sleep(wait);
  }
}
