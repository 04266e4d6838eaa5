/** What PostgreSQL tells of a backup: the results of pg_backup_start and pg_backup_stop. LSNs are text. */

/** The result of pg_backup_start. */
export interface BackupStart {
  /** When pg_backup_start returned, by the clock of the worker. ISO 8601 in UTC. */
  startedAt: string;
  startLsn: string;
  /** The first WAL segment of the backup. */
  startWal: string;
  timeline: number;
  systemIdentifier: string;
  serverVersion: string;
  /** The tablespaces at the start, in the format of tablespace_map; null: no tablespaces. */
  tablespaces: Buffer | null;
}

/** The result of pg_backup_stop. */
export interface BackupStop {
  /** When pg_backup_stop returned, by the clock of the worker. ISO 8601 in UTC. */
  stoppedAt: string;
  stopLsn: string;
  /** The last WAL segment of the backup. */
  stopWal: string;
  /** The bytes of backup_label. */
  label: Buffer;
  /** The bytes of tablespace_map; null: no tablespaces, and the file must not exist. */
  tablespaceMap: Buffer | null;
}
