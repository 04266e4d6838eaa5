/** The states of a backup request. The database controls the moves between the states (table state_transition). */

/** All states, in the usual order. */
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
