/** The interface between a backup run and a backup method. */
import type { BackupStop } from '../../postgres/backup-facts.ts';
import type { BackupRecord } from '../../repository/label-entry.ts';

/** The transfer of a cluster's data, from pg_backup_start to the whole backup. */
export interface DataTransfer {
  /** Resolves when the data is copied and the row is in state done: pg_backup_stop may be called. */
  untilDone(): Promise<void>;
  /** Returns what pg_backup_stop has returned, with what the method adds to backup_label. */
  labelled(stop: BackupStop): BackupStop;
  /** Completes the backup with backup_label. Called before the row says that the label is stored. */
  finish(record: BackupRecord, stop: BackupStop): Promise<void>;
  /** Removes everything that the method has written. Called once, where the backup fails before `finish` resolves. */
  abandon(): Promise<void>;
}
