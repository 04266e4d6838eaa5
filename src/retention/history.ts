/** The timelines of a cluster, as its history files tell of them. Pure; segments are counted from the WAL's beginning. */
import { historyFile, type Ancestor } from '../postgres/timeline-history.ts';

export type Histories = ReadonlyMap<number, readonly Ancestor[]>;

/** A part of the WAL on one timeline: LSNs, where it was begun and where it was left; undefined: it goes on. */
export interface Stretch {
  timeline: number;
  begin: bigint;
  end: bigint | undefined;
}

/** What recovery to a timeline reads, oldest first. */
export function wayTo(timeline: number, histories: Histories): Stretch[] {
  const way: Stretch[] = [];
  let begin = 0n;
  for (const { timeline: ancestor, end } of histories.get(timeline) ?? []) {
    way.push({ timeline: ancestor, begin, end });
    begin = end;
  }
  return [...way, { timeline, begin, end: undefined }];
}

/** Nobody knows what a timeline came from whose history file is missing. */
export function isUnknown(timeline: number, histories: Histories): boolean {
  return timeline > 1 && !histories.has(timeline);
}

/** Why what lies on an older timeline stays for such a one. */
export function mayLeadTo(timeline: number): string {
  return `${historyFile(timeline)} is missing: recovery to timeline ${timeline} may begin`;
}

/** Whether recovery of that backup can take this way: it had ended before its timeline was left. */
export function isOnWay(backup: { timeline: number; stopLsn: bigint }, way: readonly Stretch[]): boolean {
  const stretch = way.find(({ timeline }) => timeline === backup.timeline);
  return stretch !== undefined && (stretch.end === undefined || backup.stopLsn <= stretch.end);
}
