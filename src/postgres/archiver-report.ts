/** What a server says of its archiver (pg_stat_archiver, pg_ls_archive_statusdir). */

export interface ArchiverReport {
  serverVersion: string;
  archiveMode: string;
  archiverFailing: boolean;
  lastArchivedWal: string | null;
  lastArchivedAt: Date | null;
  lastFailedWal: string | null;
  lastFailedAt: Date | null;
  /** How many files wait for the archiver; null: the server archives nothing. */
  walWaiting: number | null;
  /** Seconds that the first of them has waited; null: none waits. */
  walWaitingFor: number | null;
  /** The names of settings of a recovery that is over, and that a restart would find again. */
  recoverySettings: string[];
}
