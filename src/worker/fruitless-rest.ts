/**
 * Slows down reads that notifications ask for, while the reads find nothing new. Any role can send notifications, as
 * many as the role likes, and each of them would otherwise cost a query.
 */
import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds. The first pause; each further one is twice as long. */
const shortest = 10;
/** Milliseconds. A request that comes during a flood of forged notifications waits for so long at most. */
const longest = 250;

/** The pause between two reads. A read that finds something ends the slowdown. */
export class FruitlessRest {
  #pause = 0;
  /** When the next read may begin, from `performance.now()`. */
  #notBefore = 0;

  /** Resolves when the next read may begin: at once after a read that found something, or was long ago. */
  async before(): Promise<void> {
    const left = this.#notBefore - performance.now();
    if (left > 0) await sleep(left);
  }

  /** Reports that a read has ended, and whether the read found something. */
  after(found: boolean): void {
    this.#pause = found ? 0 : Math.min(longest, Math.max(shortest, this.#pause * 2));
    this.#notBefore = performance.now() + this.#pause;
  }
}
