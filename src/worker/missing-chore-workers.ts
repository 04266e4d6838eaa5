/** Which chores have lost their worker. */
import { heartbeatSeconds } from '../control/chore-queue.ts';
import type { LiveChore } from '../control/chore-rows.ts';

/**
 * Milliseconds for which the session of a worker must be missing before the queue may fail its attempts. The worker
 * may be reconnecting. After that time, the last heartbeat is too old for the queue.
 */
export const missingLongEnough = heartbeatSeconds * 1000 + 500;

/** The running chores whose worker has no session. */
export class MissingChoreWorkers {
  readonly #isForgotten: (chore: LiveChore) => boolean;
  /** By chore id: when the session of its worker was first missing. */
  #since = new Map<number, number>();

  /** `isForgotten`: whether the chore belongs to this worker, which does not run it. */
  constructor(isForgotten: (chore: LiveChore) => boolean) {
    this.#isForgotten = isForgotten;
  }

  /** Whether a worker was missing at the last look. */
  get any(): boolean {
    return this.#since.size > 0;
  }

  /** The chores whose worker has been missing for `missingLongEnough`. */
  longEnough(live: readonly LiveChore[]): LiveChore[] {
    const now = performance.now();
    const missing = live.filter(
      (chore) => chore.state === 'running' && (chore.workerGone || this.#isForgotten(chore)),
    );
    this.#since = new Map(missing.map(({ id }) => [id, this.#since.get(id) ?? now]));
    return missing.filter(({ id }) => now - (this.#since.get(id) ?? now) >= missingLongEnough);
  }
}
