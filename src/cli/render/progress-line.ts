/** A line on a terminal that says how far something is, drawn anew a few times a second. */
import { bytes, seconds } from './format.ts';

const pauseMs = 200;

export class ProgressLine {
  readonly #what: string;
  readonly #began = performance.now();
  #drawn = 0;

  constructor(what: string) {
    this.#what = what;
  }

  /** Bytes. */
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

  end(): void {
    if (this.#drawn > 0) process.stderr.write('\r\u001b[K');
  }
}
