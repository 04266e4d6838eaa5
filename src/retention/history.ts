/** The timelines of a cluster, as its history files tell of them. Pure; segments are counted from the WAL's beginning. */
import { historyFile, type Ancestor, type TimelineSpan } from '../postgres/timeline-history.ts';

export type Histories = ReadonlyMap<number, readonly Ancestor[]>;

/** Nobody knows what a timeline came from whose history file is missing. */
export function isUnknown(timeline: number, histories: Histories): boolean {
  return timeline > 1 && !histories.has(timeline);
}

/** Why what lies on an older timeline stays for such a one. */
export function mayLeadTo(timeline: number): string {
  return `${historyFile(timeline)} is missing: recovery to timeline ${timeline} may begin`;
}

/** Whether recovery of that backup can take this way: it had ended before its timeline was left. */
export function isOnWay(
  backup: { timeline: number; stopLsn: bigint },
  way: readonly TimelineSpan[],
): boolean {
  const span = way.find(({ timeline }) => timeline === backup.timeline);
  return span !== undefined && (span.end === undefined || backup.stopLsn <= span.end);
}
