/** The timelines of a cluster, as its history files tell of them. Pure; segments are counted from the WAL's beginning. */
import { historyFile, type Histories } from '../postgres/timeline-history.ts';

/** Nobody knows what a timeline came from whose history file is missing. */
export function isUnknown(timeline: number, histories: Histories): boolean {
  return timeline > 1 && !histories.has(timeline);
}

/** Why what lies on an older timeline stays for such a one. */
export function mayLeadTo(timeline: number): string {
  return `${historyFile(timeline)} is missing: recovery to timeline ${timeline} may begin`;
}
