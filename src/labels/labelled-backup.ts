/** A finished backup as a restore needs to know it. */
import type { BackupState } from '../control/backup-states.ts';
import type { LabelEntry } from '../repository/label-entry.ts';

export interface LabelledBackup extends LabelEntry {
  /** The request's; undefined where the label directory was asked, which does not know. */
  state: BackupState | undefined;
  /** Where all this was found. */
  source: string;
}
