/** A progress line on a terminal, redrawn up to five times per second. */
import { bytes, seconds } from './format.ts';

/** Milliseconds between two draws. */
const pauseMs = 200;

/** A progress line on standard error. Nothing is drawn if standard error is not a terminal. */
export class ProgressLine {
  readonly #what: string;
  readonly #began = performance.now();
  #drawn = 0;

  constructor(what: string) {
    this.#what = what;
  }

  /** Draws the progress. Both values are bytes. */
  show(done: number, expected: number): void {
    const now = performance.now();
    if (!process.stderr.isTTY || (now - this.#drawn < pauseMs && done < expected)) return;
    this.#drawn = now;
    const took = (now - this.#began) / 1000;
    const rate = done / Math.max(took, 0.001);
    const left = done === 0 ? '' : `, ${seconds((expected - done) / rate)} left`;
    const share = expected === 0 ? 100 : Math.floor((100 * done) / expected);
    process.stderr.write(
      `\r${this.#what}: ${share} % of ${bytes(expected)}, ${bytes(rate)}/s${left}\u001b[K`,
    );
  }

  /** Clears the line. */
  end(): void {
    if (this.#drawn > 0) process.stderr.write('\r\u001b[K');
  }
}
