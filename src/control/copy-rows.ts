/** Rows of backup requests with method copy: what incremental copies need, and write. */
import type { Connection } from '../database/connection.ts';
import type { BackupStart } from '../postgres/backup-facts.ts';
import type { BackupState } from './backup-states.ts';

/** What the control database knows of a copy. System identifier, start LSN and timeline tell requests of one ID apart. */
export interface CopyRecord extends Pick<BackupStart, 'startLsn' | 'systemIdentifier' | 'timeline'> {
  id: number;
  state: BackupState;
  /** Whether an expiry has begun with the copy. */
  hasExpired: boolean;
  /** What the latest verification found; null: there was none. */
  isVerified: boolean | null;
}

/** The copies of a cluster among the requests with these IDs, as far as they have begun. */
export function copyRecords(db: Connection, cluster: string, ids: readonly number[]): Promise<CopyRecord[]> {
  return db.run<CopyRecord>('backup_request', 'known_copies', { cluster, ids });
}

/** In state running: the copy holds the changes since the copy of the request `parent`, which began at `fromLsn`. */
export async function markIncremental(
  db: Connection,
  id: number,
  { parent, fromLsn }: { parent: number; fromLsn: string },
): Promise<boolean> {
  const marked = await db.run('backup_request', 'mark_incremental', {
    id,
    parent,
    incremental_from: fromLsn,
  });
  return marked.length > 0;
}
