/** Logs why chores wait, each reason once. */
import { choreFailure, type LiveChore } from '../control/chore-rows.ts';
import type { Log } from '../log.ts';

/** In place of a cluster and kind: no chore can begin. */
export const everyPlace = '';

/** The reasons that the log has, by cluster and kind. */
export class WaitingChores {
  readonly #log: Log;
  readonly #reasons = new Map<string, string>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Logs why the chores wait, unless the latest reason is the same. */
  warn(place: string, chores: readonly LiveChore[], error: unknown): void {
    const { message: reason, hint } = choreFailure(error);
    if (this.#reasons.get(place) === reason) return;
    this.#reasons.set(place, reason);
    const ids = chores.map(({ id }) => id).join(' ');
    this.#log.warning('chores wait', { chores: ids, reason, hint: hint ?? undefined });
  }

  /** The chores there no longer wait: the same reason is logged again. */
  over(place: string): void {
    this.#reasons.delete(place);
  }

  /** Forgets the places without chores. */
  keepOnly(places: ReadonlyMap<string, unknown>): void {
    for (const place of this.#reasons.keys())
      if (place !== everyPlace && !places.has(place)) this.#reasons.delete(place);
  }
}
