/** What the WAL archives hold, and what can be restored from them. */
import type { Connection } from '../database/connection.ts';

/** Segments that follow each other; LSNs are text. */
export interface ArchivedRun {
  timeline: number;
  startWal: string;
  endWal: string;
  startLsn: string;
  /** Where the last segment ends. */
  endLsn: string;
  lastArchivedAt: Date;
  /** The hole before it. */
  missingFrom: string | null;
  missingTo: string | null;
  /** The run that it continues, on the timeline that this one branched off. */
  followsTimeline: number | null;
  followsWal: string | null;
  switchLsn: string | null;
  /** The end of the oldest backup in the repository that begins in it. */
  restorableFrom: Date | null;
  restorableFromLsn: string | null;
  firstArchivedAt: Date;
  /** Why the segment before it does not lead to it; null: it does, or there is none. */
  broken: string | null;
}

/** What can be restored of one cluster along one timeline. */
export interface RestoreWindow {
  cluster: string;
  timeline: number;
  earliestTime: Date | null;
  earliestLsn: string | null;
  latestTime: Date | null;
  /** Seconds since then. */
  latestAgo: number | null;
  latestLsn: string | null;
  /** Whether that is where the WAL ends. */
  upToDate: boolean;
  holes: string[] | null;
  /** Where one segment does not lead to the next. */
  breaks: string[] | null;
  /** When the first and the last segment of the timeline were archived; seconds since the last. */
  writtenSince: Date | null;
  writtenUntil: Date | null;
  writtenAgo: number | null;
}

/** Makes the rows of a cluster these; what has not changed is not written. */
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
