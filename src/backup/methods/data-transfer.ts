/** The interface between a backup run and a backup method: the work of the method after pg_backup_stop. */
import type { BackupStop } from '../../control/backup-requests.ts';
import type { BackupDescription } from '../../repository/label-entry.ts';

/** The remaining work of a method when pg_backup_stop may be called. */
export interface DataTransfer {
  /** Completes the backup with backup_label. Called before the row says that the label is stored. */
  finish(description: BackupDescription, stop: BackupStop): Promise<void>;
  /** Called instead of `finish` when the backup has failed: removes everything that the method has written. */
  abandon(): Promise<void>;
}
