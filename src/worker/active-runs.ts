/** The requests that this worker is processing: those whose backup it runs or whose archiving it watches. */
import type { RequestRun } from '../backup/request-run.ts';
import type { RequestedBy } from './fairness.ts';

interface Entry {
  run: RequestRun;
  requester: RequestedBy;
  ended: Promise<void>;
}

/** The requests that this worker is processing, by id. */
export class ActiveRuns {
  readonly #entries = new Map<number, Entry>();
  readonly #onEnded: () => void;

  /** `onEnded` is called whenever a run has ended. */
  constructor(onEnded: () => void) {
    this.#onEnded = onEnded;
  }

  /** Adds a run. The run is kept until `ended` resolves. */
  add(run: RequestRun, requester: RequestedBy, ended: Promise<void>): void {
    const entry = { run, requester, ended };
    this.#entries.set(run.id, entry);
    void ended.finally(() => {
      if (this.#entries.get(run.id) === entry) this.#entries.delete(run.id);
      this.#onEnded();
    });
  }

  /** The run of request `id`; undefined if this worker does not process the request. */
  get(id: number): RequestRun | undefined {
    return this.#entries.get(id)?.run;
  }

  ids(): number[] {
    return [...this.#entries.keys()];
  }

  all(): RequestRun[] {
    return [...this.#entries.values()].map(({ run }) => run);
  }

  /**
   * The requesters of the runs for which a backup session is open or being opened, one element per session.
   */
  held(): RequestedBy[] {
    return [...this.#entries.values()]
      .filter(({ run }) => run.holdsSession)
      .map(({ requester }) => requester);
  }

  /** Resolves once every run that is active at the time of the call has ended. */
  async ended(): Promise<void> {
    await Promise.all([...this.#entries.values()].map(({ ended }) => ended));
  }
}
