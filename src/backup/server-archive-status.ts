/**
 * Tests whether the WAL of a backup is archived. The test is the test of the server (XLogArchiveIsBusy in
 * src/backend/access/transam/xlogarchive.c), for every file that the backup needs.
 */
import type { ArchiveServer, ArchiveStatus } from '../server/server-queries.ts';
import { parseLsn } from '../postgres/lsn.ts';
import type { BackupRecord } from '../repository/label-entry.ts';
import { backupHistoryFileName, segmentRange } from '../postgres/wal-segment.ts';

/**
 * Returns why the archive status of this server says nothing about the WAL of the backup; undefined: the status is
 * usable. Reasons: archiving is off by now, or the server is another server than the server of the backup. A
 * promoted standby may have segments marked as archived that its dead primary never archived.
 */
export function archiveStatusUnusable(
  server: ArchiveServer,
  backup: Pick<BackupRecord, 'systemIdentifier' | 'startWal'>,
): string | undefined {
  if (server.systemIdentifier !== backup.systemIdentifier) return 'the server there is of another cluster';
  if (server.timeline === null) return 'the server there is a standby by now';
  if (server.timeline !== backup.startWal.slice(0, 8))
    return 'the server there is on another timeline by now';
  if (server.archiveMode === 'off') return 'archive_mode is off by now';
  return undefined;
}

/** The names of all segments from start to stop, and of the backup history file. */
export function neededWalFiles(
  { startLsn, startWal, stopWal }: Pick<BackupRecord, 'startLsn' | 'startWal' | 'stopWal'>,
  segmentSize: number,
): string[] {
  return [
    ...segmentRange(startWal, stopWal, segmentSize),
    backupHistoryFileName(startWal, parseLsn(startLsn), segmentSize),
  ];
}

/**
 * `.done`: archived. `.ready`: not archived yet. Neither: archived, if the file is no longer in pg_wal, where an
 * unarchived file would stay.
 */
export function walIsArchived({ done, ready, present }: ArchiveStatus): boolean {
  return done || (!ready && !present);
}
