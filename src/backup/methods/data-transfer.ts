/** What a method has done when pg_backup_stop may be called, and what it still has to do afterwards. */
import type { BackupStop } from '../../control/backup-requests.ts';
import type { BackupDescription } from '../../repository/label-entry.ts';

export interface DataTransfer {
  /** With the label; before the row says that it is stored. */
  finish(description: BackupDescription, stop: BackupStop): Promise<void>;
  /** Instead of that, when there will be no label: leaves nothing behind. */
  abandon(): Promise<void>;
}
