/** The SQL functions that start and stop a backup. The functions were renamed in PostgreSQL 15. */

/** The functions of one server version. */
export interface BackupFunctions {
  /** Names of statements in sql/queries/target.sql. */
  start: 'start' | 'start_before_15';
  stop: 'stop' | 'stop_before_15';
  /** Signatures of the functions, for privilege checks and messages. */
  startFunction: string;
  stopFunction: string;
}

/** `serverVersion`: as in server_version_num. */
export function backupFunctions(serverVersion: number): BackupFunctions {
  return serverVersion >= 150000
    ? {
        start: 'start',
        stop: 'stop',
        startFunction: 'pg_backup_start(text, boolean)',
        stopFunction: 'pg_backup_stop(boolean)',
      }
    : {
        start: 'start_before_15',
        stop: 'stop_before_15',
        startFunction: 'pg_start_backup(text, boolean, boolean)',
        stopFunction: 'pg_stop_backup(boolean, boolean)',
      };
}
