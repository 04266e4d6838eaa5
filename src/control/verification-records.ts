/** The result of a verification, for the control database. */
import type { Connection } from '../database/connection.ts';
import type { BackupRecord } from '../repository/label-entry.ts';

/** A verified backup. System identifier, start LSN and timeline tell two requests with the same ID apart. */
export interface VerificationRecord extends Pick<
  BackupRecord,
  'id' | 'cluster' | 'systemIdentifier' | 'startLsn' | 'timeline'
> {
  /** Name of the backup in the repository. */
  backup: string;
  startedAt: Date;
  finishedAt: Date;
  /** Empty: the backup is sound. */
  problems: string[];
  files: number;
  bytes: number;
  segments: number;
}

/** Problems that are recorded at most. */
const mostProblems = 100;

/** Records a verification. */
export async function recordVerification(db: Connection, found: VerificationRecord): Promise<void> {
  await db.run('verification', 'record', {
    id: found.id,
    cluster: found.cluster,
    system_identifier: found.systemIdentifier,
    start_lsn: found.startLsn,
    timeline: found.timeline,
    backup: found.backup,
    started_at: found.startedAt,
    finished_at: found.finishedAt,
    problems: found.problems.slice(0, mostProblems),
    files: found.files,
    bytes: found.bytes,
    segments: found.segments,
  });
}
