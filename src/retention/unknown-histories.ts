/** Handles timelines whose history file is missing. Pure. */
import { historyFile } from '../postgres/timeline-history.ts';

/** Why a backup or WAL on an older timeline stays for such a timeline. */
export function mayLeadTo(timeline: number): string {
  return `${historyFile(timeline)} is missing: recovery to timeline ${timeline} may begin`;
}
