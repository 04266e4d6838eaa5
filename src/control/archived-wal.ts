/**
 * The rows of archived_wal and restore_window: the WAL in the repositories, and the recovery targets that this WAL
 * allows.
 */
import type { Connection } from '../database/connection.ts';

/** Consecutive segments in the archive of one cluster. LSNs are text. */
export interface ArchivedRun {
  timeline: number;
  startWal: string;
  endWal: string;
  startLsn: string;
  /** The end of the last segment. */
  endLsn: string;
  lastArchivedAt: Date;
  /** The first missing segment before the run; null: no hole. */
  missingFrom: string | null;
  /** The last missing segment before the run; null: no hole. */
  missingTo: string | null;
  /**
   * The timeline from which the timeline of this run branched off, if the archive has the run there; null: none.
   */
  followsTimeline: number | null;
  /** The first segment of the run on that timeline. */
  followsWal: string | null;
  /** The LSN at which the timeline branched off; null: none. */
  switchLsn: string | null;
  /** When the oldest backup in the repository that begins in this run ended; null: no such backup. */
  restorableFrom: Date | null;
  /** The stop LSN of that backup. */
  restorableFromLsn: string | null;
  firstArchivedAt: Date;
  /**
   * Why the WAL of the segment before does not lead to this run; null: the WAL leads to this run, or there is no
   * such segment.
   */
  broken: string | null;
}

/**
 * The range of recovery targets of one cluster along one timeline. Times and LSNs are null if no restore is
 * possible.
 */
export interface RestoreWindow {
  cluster: string;
  timeline: number;
  earliestTime: Date | null;
  earliestLsn: string | null;
  /** The same among the backups that Holdfast copied; null: only others copied any. */
  earliestCopyTime: Date | null;
  latestTime: Date | null;
  /** Seconds since latestTime. */
  latestAgo: number | null;
  latestLsn: string | null;
  /** Whether latestLsn is the end of the archived WAL. */
  upToDate: boolean;
  holes: string[] | null;
  /** Places where a segment does not continue the segment before; null: none. */
  breaks: string[] | null;
  /** When the first segment of the timeline was archived. */
  writtenSince: Date | null;
  /** When the last segment of the timeline was archived. */
  writtenUntil: Date | null;
  /** Seconds since writtenUntil. */
  writtenAgo: number | null;
}

/** Replaces the rows of a cluster. Rows without a change are not written. */
export async function recordArchivedWal(
  db: Connection,
  cluster: string,
  runs: readonly ArchivedRun[],
): Promise<void> {
  const rows = JSON.stringify(runs.map(asRow));
  await db.transaction(async () => {
    await db.run('archived_wal', 'forget', { cluster, runs: rows });
    await db.run('archived_wal', 'record', { cluster, runs: rows });
  });
}

/** The restore windows of all clusters and timelines. */
export function restoreWindows(db: Connection): Promise<RestoreWindow[]> {
  return db.run<RestoreWindow>('status', 'restore_windows');
}

function asRow(run: ArchivedRun): Record<string, unknown> {
  return {
    timeline: run.timeline,
    start_wal: run.startWal,
    end_wal: run.endWal,
    start_lsn: run.startLsn,
    end_lsn: run.endLsn,
    last_archived_at: run.lastArchivedAt,
    missing_from: run.missingFrom,
    missing_to: run.missingTo,
    follows_timeline: run.followsTimeline,
    follows_wal: run.followsWal,
    switch_lsn: run.switchLsn,
    restorable_from: run.restorableFrom,
    restorable_from_lsn: run.restorableFromLsn,
    first_archived_at: run.firstArchivedAt,
    broken: run.broken,
  };
}
