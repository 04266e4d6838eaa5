/** The requests that this worker has in hand. */
import type { Job } from '../backup/job.ts';

interface Entry {
  job: Job;
  requestedBy: string;
  ended: Promise<void>;
}

export class Jobs {
  readonly #entries = new Map<number, Entry>();

  /** Kept until `ended` resolves. */
  add(job: Job, requestedBy: string, ended: Promise<void>): void {
    const entry = { job, requestedBy, ended };
    this.#entries.set(job.id, entry);
    void ended.finally(() => {
      job.releaseSession();
      if (this.#entries.get(job.id) === entry) this.#entries.delete(job.id);
    });
  }

  get(id: number): Job | undefined {
    return this.#entries.get(id)?.job;
  }

  ids(): number[] {
    return [...this.#entries.keys()];
  }

  all(): Job[] {
    return [...this.#entries.values()].map(({ job }) => job);
  }

  /** Those for which a backup session is open, or being opened. */
  held(): { requestedBy: string }[] {
    return [...this.#entries.values()].filter(({ job }) => job.holdsSession);
  }

  async ended(): Promise<void> {
    await Promise.all([...this.#entries.values()].map(({ ended }) => ended));
  }
}
