/**
 * Parses backup_label and the backup history file, which has additional lines
 * (src/backend/access/transam/xlogbackup.c: build_backup_content).
 */
import { parseLsn } from './lsn.ts';

/** The content of backup_label. */
export interface BackupLabel {
  startLsn: bigint;
  startWal: string;
  checkpointLsn: bigint;
  /** `primary` or `standby`. */
  backupFrom: string;
  startTime: string;
  label: string;
  startTimeline: number;
  /** Where the changes begin that an incremental backup has; undefined: a full backup. */
  incrementalFrom?: { lsn: bigint; timeline: number };
}

/** The content of a backup history file. */
export interface BackupHistory {
  label: BackupLabel;
  stopLsn: bigint;
  stopWal: string;
  /** The bytes of backup_label: the history file without the lines that were added at the stop. */
  labelBytes: Buffer;
}

/** Parses backup_label. @throws RangeError with the missing or malformed line */
export function parseBackupLabel(bytes: Buffer): BackupLabel {
  const { lsn: startLsn, wal: startWal } = parseLocation(bytes, 'START WAL LOCATION');
  const from = fieldIfThere(bytes, fromLsn);
  return {
    startLsn,
    startWal,
    ...(from !== undefined && {
      incrementalFrom: { lsn: parseLsn(from), timeline: Number(field(bytes, fromTimeline)) },
    }),
    checkpointLsn: parseLsn(field(bytes, 'CHECKPOINT LOCATION')),
    backupFrom: field(bytes, 'BACKUP FROM'),
    startTime: field(bytes, 'START TIME'),
    label: field(bytes, 'LABEL'),
    startTimeline: Number(field(bytes, 'START TIMELINE')),
  };
}

const fromLsn = 'INCREMENTAL FROM LSN';
const fromTimeline = 'INCREMENTAL FROM TLI';

/**
 * Adds the lines by which PostgreSQL tells an incremental backup from a data directory, and pg_combinebackup what the
 * backup was made from. `lsn`, `timeline`: of the start of that backup.
 */
export function asIncrementalLabel(bytes: Buffer, from: { lsn: string; timeline: number }): Buffer {
  return Buffer.concat([bytes, Buffer.from(`${fromLsn}: ${from.lsn}\n${fromTimeline}: ${from.timeline}\n`)]);
}

/** Removes the lines that asIncrementalLabel() adds: with them no server starts. */
export function withoutIncrementalLines(bytes: Buffer): Buffer {
  return Buffer.concat(
    lines(bytes).filter((line) => !line.toString('latin1').startsWith('INCREMENTAL FROM ')),
  );
}

/** Parses a backup history file. @throws RangeError with the missing or malformed line */
export function parseBackupHistory(bytes: Buffer): BackupHistory {
  const { lsn: stopLsn, wal: stopWal } = parseLocation(bytes, 'STOP WAL LOCATION');
  const labelBytes = Buffer.concat(
    lines(bytes).filter((line) => !line.toString('latin1').startsWith('STOP ')),
  );
  return { label: parseBackupLabel(labelBytes), stopLsn, stopWal, labelBytes };
}

function parseLocation(bytes: Buffer, name: string): { lsn: bigint; wal: string } {
  const match = /^(\S+) \(file ([0-9A-F]{24})\)$/.exec(field(bytes, name));
  if (match?.[1] === undefined || match[2] === undefined)
    throw new RangeError(`its line "${name}" is malformed`);
  return { lsn: parseLsn(match[1]), wal: match[2] };
}

function field(bytes: Buffer, name: string): string {
  const value = fieldIfThere(bytes, name);
  if (value === undefined) throw new RangeError(`it has no line "${name}"`);
  return value;
}

function fieldIfThere(bytes: Buffer, name: string): string | undefined {
  const prefix = Buffer.from(`${name}: `);
  const line = lines(bytes).find((candidate) => candidate.subarray(0, prefix.length).equals(prefix));
  return line?.subarray(prefix.length).toString('utf8').replace(/\n$/, '');
}

/** Splits at newlines. Each line keeps its newline, so that joining the lines gives the same bytes. */
function lines(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let from = 0; from < bytes.length;) {
    const newline = bytes.indexOf(0x0a, from);
    const to = newline === -1 ? bytes.length : newline + 1;
    found.push(bytes.subarray(from, to));
    from = to;
  }
  return found;
}
