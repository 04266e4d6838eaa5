/** The result of a verification, for the control database. */
import type { Connection } from '../database/connection.ts';

/** A verified backup. */
export interface VerificationRecord {
  /** The ID of the request. System identifier, start LSN and timeline tell two requests with the same ID apart. */
  id: number;
  cluster: string;
  systemIdentifier: string;
  startLsn: string;
  timeline: number;
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
