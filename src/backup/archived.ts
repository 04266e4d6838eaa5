/**
 * When the WAL of a backup is archived: the server's own test (XLogArchiveIsBusy in
 * src/backend/access/transam/xlogarchive.c), for every file that the backup needs.
 */
import type { ArchiveStatus } from '../control/targets.ts';
import { parseLsn } from '../postgres/lsn.ts';
import { backupHistoryFileName, segmentRange } from '../postgres/wal-segment.ts';

/** Every segment from start to stop, and the history file that tells of the backup. */
export function neededFiles(
  window: { startLsn: string; startWal: string; stopWal: string },
  segmentSize: number,
): string[] {
  return [
    ...segmentRange(window.startWal, window.stopWal, segmentSize),
    backupHistoryFileName(window.startWal, parseLsn(window.startLsn), segmentSize),
  ];
}

/** .done: archived. .ready: not yet. Neither: archived if it is no longer in pg_wal, where it would wait. */
export function isArchived({ done, ready, present }: ArchiveStatus): boolean {
  return done || (!ready && !present);
}
