/** The result of a verification, for the control database. */
import type { Connection } from '../database/connection.ts';
import type { BackupRecord } from '../repository/label-entry.ts';

/** The result of a verification. */
export interface Verification {
  startedAt: Date;
  finishedAt: Date;
  /** Empty if the backup can be restored. */
  problems: string[];
  /** Number of intact files. */
  files: number;
  /** Bytes of file content that have been verified. */
  bytes: number;
  /** Number of WAL segment files that have been verified. */
  segments: number;
}

/** A verified backup. System identifier, start LSN and timeline tell two requests with the same ID apart. */
export interface VerificationRecord
  extends Verification, Pick<BackupRecord, 'id' | 'cluster' | 'systemIdentifier' | 'startLsn' | 'timeline'> {
  /** Name of the backup in the repository. */
  backup: string;
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
