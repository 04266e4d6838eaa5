/** What a verification found, for the control database. */
import type { Connection } from '../database/connection.ts';

export interface VerificationRecord {
  /** The request's, with what tells it from another one of that id. */
  id: number;
  cluster: string;
  systemIdentifier: string;
  startLsn: string;
  timeline: number;
  /** The backup's name in the repository. */
  backup: string;
  startedAt: Date;
  finishedAt: Date;
  /** None: it is sound. */
  problems: string[];
  files: number;
  bytes: number;
  segments: number;
}

const mostProblems = 100;

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
