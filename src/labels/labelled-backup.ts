/** A completed backup with its label, as a restore by another tool needs the backup. */
import type { BackupState } from '../control/backup-states.ts';
import type { LabelEntry } from '../repository/label-entry.ts';

/** A backup and its label. */
export interface LabelledBackup extends LabelEntry {
  /**
   * The state of the request; undefined if the label is from a label directory or a repository, which do not
   * store the state.
   */
  state: BackupState | undefined;
  /** The directory of the label, or `the control database`. */
  source: string;
}
