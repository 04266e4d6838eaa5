/**
 * When the WAL of a backup is archived: the server's own test (XLogArchiveIsBusy in
 * src/backend/access/transam/xlogarchive.c), for every file that the backup needs.
 */
import type { ArchiveServer, ArchiveStatus } from '../server/server-queries.ts';
import { parseLsn } from '../postgres/lsn.ts';
import { backupHistoryFileName, segmentRange } from '../postgres/wal-segment.ts';

/** What the archive status is asked for. */
export interface NeededWal {
  startLsn: string;
  startWal: string;
  stopWal: string;
  systemIdentifier: string;
}

/**
 * Why what this server says about its archive says nothing about the backup's WAL: it took another server's
 * place (a promoted standby has segments as archived that its dead primary never archived), or archives no more.
 */
export function archiveStatusUnusable(server: ArchiveServer, needed: NeededWal): string | undefined {
  if (server.systemIdentifier !== needed.systemIdentifier) return 'the server there is of another cluster';
  if (server.timeline === null) return 'the server there is a standby by now';
  if (server.timeline !== needed.startWal.slice(0, 8))
    return 'the server there is on another timeline by now';
  if (server.archiveMode === 'off') return 'archive_mode is off by now';
  return undefined;
}

/** Every segment from start to stop, and the history file that tells of the backup. */
export function neededWalFiles(window: Omit<NeededWal, 'systemIdentifier'>, segmentSize: number): string[] {
  return [
    ...segmentRange(window.startWal, window.stopWal, segmentSize),
    backupHistoryFileName(window.startWal, parseLsn(window.startLsn), segmentSize),
  ];
}

/** .done: archived. .ready: not yet. Neither: archived if it is no longer in pg_wal, where it would wait. */
export function walIsArchived({ done, ready, present }: ArchiveStatus): boolean {
  return done || (!ready && !present);
}
