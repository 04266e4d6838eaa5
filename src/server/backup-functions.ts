/** How a backup is started and stopped, by version: the functions were renamed in 15. */

export const oldestSupported = 120000;
export const newestSupported = 189999;

export interface BackupFunctions {
  /** Named statements of sql/queries/target.sql. */
  start: 'start' | 'start_before_15';
  stop: 'stop' | 'stop_before_15';
  /** Their signatures, for privileges and messages. */
  startFunction: string;
  stopFunction: string;
}

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
