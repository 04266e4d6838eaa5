/**
 * Writes the progress of a copy to the row of its stage in the control database, at most once a second, without
 * delaying the copy.
 */
import { recordProgress } from '../../control/backup-requests.ts';
import { messageOf } from '../../errors.ts';
import type { RequestRun } from '../request-run.ts';

/** Milliseconds between two writes. */
const writeEvery = 1000;

/** Bytes of files, before compression. */
export interface CopiedBytes {
  expected: number;
  done: number;
}

/** Writes the latest progress only. Progress that cannot be written is dropped. */
export class CopyProgress {
  readonly #run: RequestRun;
  #latest: CopiedBytes | undefined;
  #writing: Promise<void> | undefined;
  #writtenAt = -Infinity;

  constructor(run: RequestRun) {
    this.#run = run;
  }

  /** Takes new numbers; the numbers are written if the last write is long enough ago. */
  note(bytes: CopiedBytes): void {
    this.#latest = bytes;
    if (this.#writing === undefined && performance.now() - this.#writtenAt >= writeEvery) this.#write();
  }

  /** Writes the last numbers, if the control database can be reached. */
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
