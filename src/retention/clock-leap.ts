/**
 * Whether the clock may have leapt ahead, so that backups look older than they are. Pure.
 *
 * A clock that leaps leaves a time of which nothing is dated: no backup, no segment, no sign of life of a worker. Times
 * that were written after the leap do not prove the clock, as they were read from it. So all that is dated has to lead
 * from the last accepted time to now, or from now back for as long as the longest rule reaches, in steps that are short
 * beside the rules of the policy.
 */

/** Milliseconds that clocks may differ: times of this host's, the servers' and the database's are compared. */
export const clocksDiffer = 600_000;

/** Something that has a date. */
export interface DatedEvidence {
  at: Date;
  what: string;
}

export interface ClockQuestion {
  now: Date;
  /** The last time that was accepted as the present; undefined: none yet. */
  accepted: DatedEvidence | undefined;
  evidence: readonly DatedEvidence[];
  /** Milliseconds for which the rules keep what is younger. None: no rule asks the clock. */
  windows: readonly number[];
}

/** Nothing is dated between these two. */
export interface ClockLeap {
  from: DatedEvidence;
  to: DatedEvidence;
}

/** Milliseconds: a server may be switched off over a weekend. */
const leastStep = 3 * 86_400_000;

/** The latest leap that matters to the rules. */
export function findLeap({ now, accepted, evidence, windows }: ClockQuestion): ClockLeap | undefined {
  if (windows.length === 0) return undefined;
  const longest = Math.max(...windows);
  const isLater = ({ at }: DatedEvidence) => at <= now && (accepted === undefined || at > accepted.at);
  const backwards = evidence.filter(isLater).sort((a, b) => b.at.getTime() - a.at.getTime());
  let to: DatedEvidence = { at: now, what: 'the clock' };
  for (const from of accepted === undefined ? backwards : [...backwards, accepted]) {
    // What is on the other side of a leap is older than every rule reaches even without it.
    if (now.getTime() - to.at.getTime() >= longest) return undefined;
    if (to.at.getTime() - from.at.getTime() > longestStep(windows)) return { from, to };
    to = from;
  }
  return undefined;
}

/** Milliseconds. By no more than that anything may go before its time. */
export function longestStep(windows: readonly number[]): number {
  return Math.max(leastStep, Math.min(...windows) / 4);
}
