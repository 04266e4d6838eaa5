/** What a server reports about its archiver (pg_stat_archiver, pg_ls_archive_statusdir). */

/** The report of one server. */
export interface ArchiverReport {
  serverVersion: string;
  archiveMode: string;
  /** Whether the last attempt to archive failed, and the failed file still waits for the archiver. */
  archiverFailing: boolean;
  lastArchivedWal: string | null;
  lastArchivedAt: Date | null;
  lastFailedWal: string | null;
  lastFailedAt: Date | null;
  /** The number of files that wait for the archiver; null where the server does not archive. */
  walWaiting: number | null;
  /** Seconds for which the first of these files has waited; null where no file waits. */
  walWaitingFor: number | null;
  /**
   * The names of recovery settings that remain from a finished recovery, and that would apply again after a restart.
   */
  recoverySettings: string[];
}
