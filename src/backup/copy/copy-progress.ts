/** Writes how far a copy is into its stage, once a second at most, and never in the way of the copy. */
import { recordProgress } from '../../control/backup-requests.ts';
import { messageOf } from '../../errors.ts';
import type { RequestRun } from '../request-run.ts';

/** Milliseconds. */
const writeEvery = 1000;

export interface CopiedBytes {
  expected: number;
  done: number;
}

export class CopyProgress {
  readonly #run: RequestRun;
  #latest: CopiedBytes | undefined;
  #writing: Promise<void> | undefined;
  #writtenAt = -Infinity;

  constructor(run: RequestRun) {
    this.#run = run;
  }

  note(bytes: CopiedBytes): void {
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
    const { control, log } = this.#run.context;
    const bytes = this.#latest;
    if (bytes === undefined) return;
    this.#writtenAt = performance.now();
    this.#writing = control
      .tryOnce((db) => recordProgress(db, this.#run.id, bytes))
      .catch((error: unknown) =>
        log.debug('progress was not written', { request: this.#run.id, reason: messageOf(error) }),
      )
      .finally(() => (this.#writing = undefined));
  }
}
