/** The states of a backup request. The moves between them are the database's: table state_transition. */

export const backupStates = [
  'requested',
  'starting',
  'running',
  'done',
  'archiving',
  'complete',
  'failed',
  'cancelled',
] as const;
export type BackupState = (typeof backupStates)[number];
