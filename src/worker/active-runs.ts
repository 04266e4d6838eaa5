/** The requests that this worker has in hand. */
import type { RequestRun } from '../backup/request-run.ts';
import type { RequestedBy } from './fairness.ts';

interface Entry {
  job: RequestRun;
  requester: RequestedBy;
  ended: Promise<void>;
}

export class ActiveRuns {
  readonly #entries = new Map<number, Entry>();

  /** Kept until `ended` resolves. */
  add(job: RequestRun, requester: RequestedBy, ended: Promise<void>): void {
    const entry = { job, requester, ended };
    this.#entries.set(job.id, entry);
    void ended.finally(() => {
      job.releaseSession();
      if (this.#entries.get(job.id) === entry) this.#entries.delete(job.id);
    });
  }

  get(id: number): RequestRun | undefined {
    return this.#entries.get(id)?.job;
  }

  ids(): number[] {
    return [...this.#entries.keys()];
  }

  all(): RequestRun[] {
    return [...this.#entries.values()].map(({ job }) => job);
  }

  /** Those for which a backup session is open, or being opened. */
  held(): RequestedBy[] {
    return [...this.#entries.values()]
      .filter(({ job }) => job.holdsSession)
      .map(({ requester }) => requester);
  }

  async ended(): Promise<void> {
    await Promise.all([...this.#entries.values()].map(({ ended }) => ended));
  }
}
