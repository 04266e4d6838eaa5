/** Handles timelines whose history file is missing. Pure. */
import { historyFile, type Histories } from '../postgres/timeline-history.ts';

/** Whether the ancestors of the timeline are unknown, because its history file is missing. */
export function isUnknown(timeline: number, histories: Histories): boolean {
  return timeline > 1 && !histories.has(timeline);
}

/** Why a backup or WAL on an older timeline stays for such a timeline. */
export function mayLeadTo(timeline: number): string {
  return `${historyFile(timeline)} is missing: recovery to timeline ${timeline} may begin`;
}
