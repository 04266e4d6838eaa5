/** Writes how far a copy is into its stage, once a second at most, and never in the way of the copy. */
import { recordProgress } from '../../control/requests.ts';
import { messageOf } from '../../errors.ts';
import type { Job } from '../job.ts';

/** Milliseconds. */
const writeEvery = 1000;

export interface Bytes {
  expected: number;
  done: number;
}

export class Progress {
  readonly #job: Job;
  #latest: Bytes | undefined;
  #writing: Promise<void> | undefined;
  #writtenAt = -Infinity;

  constructor(job: Job) {
    this.#job = job;
  }

  note(bytes: Bytes): void {
    this.#latest = bytes;
    if (this.#writing === undefined && performance.now() - this.#writtenAt >= writeEvery) this.#write();
  }

  /** The end result, if the control database is there to take it. */
  async end(): Promise<void> {
    await this.#writing;
    this.#write();
    await this.#writing;
  }

  #write(): void {
    const { control, log } = this.#job.context;
    const bytes = this.#latest;
    if (bytes === undefined) return;
    this.#writtenAt = performance.now();
    this.#writing = control
      .tryOnce((db) => recordProgress(db, this.#job.id, bytes))
      .catch((error: unknown) =>
        log.debug('progress was not written', { request: this.#job.id, reason: messageOf(error) }),
      )
      .finally(() => (this.#writing = undefined));
  }
}
