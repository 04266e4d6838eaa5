/**
 * Decides whether a copy of a data directory was made during a backup, from pg_control of the copy and the
 * description of the backup. Pure.
 */
import { formatLsn, parseLsn } from '../postgres/lsn.ts';
import type { BackupLabel } from '../postgres/backup-label.ts';
import type { ControlFile } from '../postgres/pg-control.ts';
import type { BackupRecord } from './label-entry.ts';

/** The files of the copy that identify its server and its state. */
export interface CopyToMatch {
  /** The content of PG_VERSION. */
  major: number;
  control: ControlFile;
}

/** Returns why the copy and the backup do not match; undefined where they match. */
export function labelMismatch(
  copy: CopyToMatch,
  description: BackupRecord,
  label: BackupLabel,
): string | undefined {
  const { control } = copy;
  const major = Number.parseInt(description.serverVersion, 10);
  const stopLsn = parseLsn(description.stopLsn);

  if (copy.major !== major) return `the copy is of PostgreSQL ${copy.major}, the backup of ${major}`;
  if (control.systemIdentifier !== description.systemIdentifier) {
    return `the copy has the system identifier ${control.systemIdentifier}, the backup ${description.systemIdentifier}: they are of different clusters`;
  }
  if (label.startLsn !== parseLsn(description.startLsn)) {
    return `backup_label begins at ${formatLsn(label.startLsn)}, but the backup at ${description.startLsn}`;
  }
  if (control.checkpointLsn < label.checkpointLsn) {
    return `the copy's latest checkpoint is at ${formatLsn(control.checkpointLsn)}, before the backup's at ${formatLsn(label.checkpointLsn)}: it was made before this backup began`;
  }
  if (control.checkpointLsn > stopLsn) {
    return `the copy's latest checkpoint is at ${formatLsn(control.checkpointLsn)}, after the backup's end at ${description.stopLsn}: it was made after this backup, or a server has run on it`;
  }
  // A standby may follow the primary to a new timeline during a backup. A primary stays on one timeline.
  const mayBeLater = label.backupFrom === 'standby' && control.timeline > label.startTimeline;
  if (control.timeline !== label.startTimeline && !mayBeLater) {
    return `the copy is on timeline ${control.timeline}, the backup on ${label.startTimeline}`;
  }
  const expected = label.backupFrom === 'standby' ? 'in archive recovery' : 'in production';
  if (control.state !== expected) {
    return `the copy's server was "${control.state}", not "${expected}": it was not running then, or a server has run on the copy`;
  }
  return undefined;
}
