/**
 * Requests that nobody waits for: the start_backup that made them was killed, or cancelled at a moment when
 * it could not catch that. A caller holds its advisory lock during each poll and not between two of them, so
 * one look in which it is missing says nothing; five in a row, over eight seconds, do.
 */
const looks = 5;
const milliseconds = 8000;

export class MissingCallers {
  #missing = new Map<number, { since: number; looks: number }>();

  /** Takes the requests whose caller is missing at this look; returns those that are deserted. */
  look(missing: readonly number[], now = performance.now()): number[] {
    this.#missing = new Map(
      missing.map((id) => {
        const before = this.#missing.get(id) ?? { since: now, looks: 0 };
        return [id, { since: before.since, looks: before.looks + 1 }];
      }),
    );
    return [...this.#missing]
      .filter(([, seen]) => seen.looks >= looks && now - seen.since >= milliseconds)
      .map(([id]) => id);
  }
}
