/**
 * Detects whether the clock may have jumped ahead, which makes backups look older than the backups are. Pure.
 *
 * A jump of the clock leaves a gap between dated events: no backup, no segment and no activity of a worker
 * has a date in the gap. Events after the jump do not prove the clock, because their dates come from the same
 * clock. So dated events have to lead from the last accepted time to now. Alternatively, dated events have to
 * lead from now back to the longest period of the retention rules. The gaps between the events have to be
 * short in comparison with the periods of the rules.
 */

/** Milliseconds by which the clocks of this host, of the servers and of the database may differ. */
export const clocksDiffer = 600_000;

/** An event that has a date. */
export interface DatedEvidence {
  /** A description of the event, for people. */
  at: Date;
  what: string;
}

/** The input of findLeap(). */
export interface ClockQuestion {
  now: Date;
  /** The last time that was accepted as the present; undefined if no time has been accepted yet. */
  accepted: DatedEvidence | undefined;
  evidence: readonly DatedEvidence[];
  /**
   * Milliseconds: the periods of the rules that keep recent backups. Empty if no rule depends on the clock.
   */
  windows: readonly number[];
}

/** A gap: no event has a date between these two events. */
export interface ClockLeap {
  from: DatedEvidence;
  to: DatedEvidence;
}

/** Milliseconds. A server may be off for a weekend. */
const leastStep = 3 * 86_400_000;

/** Finds the latest gap that matters to the rules; undefined if there is none. */
export function findLeap({ now, accepted, evidence, windows }: ClockQuestion): ClockLeap | undefined {
  if (windows.length === 0) return undefined;
  const longest = Math.max(...windows);
  const isLater = ({ at }: DatedEvidence) => at <= now && (accepted === undefined || at > accepted.at);
  const backwards = evidence.filter(isLater).sort((a, b) => b.at.getTime() - a.at.getTime());
  let to: DatedEvidence = { at: now, what: 'the clock' };
  for (const from of accepted === undefined ? backwards : [...backwards, accepted]) {
    // Events before the gap are older than the longest period even if the clock has not jumped.
    if (now.getTime() - to.at.getTime() >= longest) return undefined;
    if (to.at.getTime() - from.at.getTime() > longestStep(windows)) return { from, to };
    to = from;
  }
  return undefined;
}

/** Milliseconds: the longest gap that is accepted. Expiry can be early by this time at most. */
export function longestStep(windows: readonly number[]): number {
  return Math.max(leastStep, Math.min(...windows) / 4);
}
