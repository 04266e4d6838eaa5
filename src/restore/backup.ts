/** A finished backup as a restore needs to know it. */
import type { State } from '../control/states.ts';

/** What backup.json says. LSNs are text, times ISO 8601 in UTC. */
export interface BackupDescription {
  id: number;
  cluster: string;
  label: string;
  serverVersion: string;
  systemIdentifier: string;
  timeline: number;
  startedAt: string;
  stoppedAt: string;
  startLsn: string;
  startWal: string;
  stopLsn: string;
  stopWal: string;
}

export interface Backup {
  description: BackupDescription;
  /** The bytes of backup_label. */
  label: Buffer;
  /** Those of tablespace_map; null: there is none, and no such file must exist. */
  tablespaceMap: Buffer | null;
  /** The request's; undefined where the label directory was asked, which does not know. */
  state: State | undefined;
  /** Where all this was found. */
  source: string;
}
