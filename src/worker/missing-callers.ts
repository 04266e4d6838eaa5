/**
 * Finds requests without a caller: the `start_backup` that made such a request was killed, or was cancelled
 * at a moment when the procedure could not catch the cancellation. A caller holds its advisory lock during
 * each poll and not between two polls, so one look without the lock proves nothing. Five such looks in a row,
 * over eight seconds, prove that the caller is gone.
 */
const looks = 5;
const milliseconds = 8000;

/** Counts, for each request, the looks at which its caller was missing. */
export class MissingCallers {
  #missing = new Map<number, { since: number; looks: number }>();

  /**
   * Records the requests whose caller is missing at this look. Returns the requests whose caller is gone for
   * good.
   */
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
