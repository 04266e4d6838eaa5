/** The requests that this worker has in hand. */
import type { RequestRun } from '../backup/request-run.ts';
import type { RequestedBy } from './fairness.ts';

interface Entry {
  run: RequestRun;
  requester: RequestedBy;
  ended: Promise<void>;
}

export class ActiveRuns {
  readonly #entries = new Map<number, Entry>();

  /** Kept until `ended` resolves. */
  add(run: RequestRun, requester: RequestedBy, ended: Promise<void>): void {
    const entry = { run, requester, ended };
    this.#entries.set(run.id, entry);
    void ended.finally(() => {
      run.releaseSession();
      if (this.#entries.get(run.id) === entry) this.#entries.delete(run.id);
    });
  }

  get(id: number): RequestRun | undefined {
    return this.#entries.get(id)?.run;
  }

  ids(): number[] {
    return [...this.#entries.keys()];
  }

  all(): RequestRun[] {
    return [...this.#entries.values()].map(({ run }) => run);
  }

  /** Those for which a backup session is open, or being opened. */
  held(): RequestedBy[] {
    return [...this.#entries.values()]
      .filter(({ run }) => run.holdsSession)
      .map(({ requester }) => requester);
  }

  async ended(): Promise<void> {
    await Promise.all([...this.#entries.values()].map(({ ended }) => ended));
  }
}
