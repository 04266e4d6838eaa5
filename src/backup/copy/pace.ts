/** Holds a copy to a number of bytes a second. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds of the rate that may be taken at once, after having been slower. */
const burst = 200;

export class Pace {
  readonly #perMillisecond: number;
  #allowedAt = performance.now();

  constructor(bytesPerSecond: number | undefined) {
    this.#perMillisecond = (bytesPerSecond ?? Infinity) / 1000;
  }

  /** Resolves when that many more may be taken. */
  async take(bytes: number): Promise<void> {
    const now = performance.now();
    this.#allowedAt = Math.max(this.#allowedAt, now - burst) + bytes / this.#perMillisecond;
    if (this.#allowedAt > now) await sleep(this.#allowedAt - now);
  }
}
