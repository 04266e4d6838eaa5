/**
 * Formats and parses the names of WAL segments: timeline, log and segment number, eight hexadecimal digits each
 * (src/include/access/xlog_internal.h: XLogFileName, BackupHistoryFileName).
 */

/** The position of a segment in the WAL. */
export interface WalSegment {
  timeline: number;
  /** The number of the segment, counted from the beginning of the WAL. */
  number: bigint;
}

/** Whether PostgreSQL has segments of this size: a power of two from 1 MB to 1 GB. */
export function isSegmentSize(bytes: number): boolean {
  return bytes >= 1 << 20 && bytes <= 1 << 30 && Number.isInteger(Math.log2(bytes));
}

/** Returns the name of a segment. `segmentSize`: bytes. */
export function segmentName({ timeline, number }: WalSegment, segmentSize: number): string {
  const perLog = 0x1_0000_0000n / BigInt(segmentSize);
  return [BigInt(timeline), number / perLog, number % perLog].map((part) => hexadecimal(part, 8)).join('');
}

/**
 * Returns the segment that contains the byte before an LSN: for an LSN at the beginning of a segment, the preceding
 * segment.
 */
export function segmentBefore(lsn: bigint, timeline: number, segmentSize: number): string {
  return segmentName({ timeline, number: (lsn - 1n) / BigInt(segmentSize) }, segmentSize);
}

/**
 * Parses the name of a segment. `segmentSize`: bytes.
 * @throws RangeError where `name` is not the name of a segment
 */
export function parseSegmentName(name: string, segmentSize: number): WalSegment {
  const match = /^([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})$/.exec(name);
  if (match === null) throw new RangeError(`"${name}" is not the name of a WAL segment`);
  const [timeline = 0n, log = 0n, segment = 0n] = match.slice(1).map((part) => BigInt(`0x${part}`));
  const perLog = 0x1_0000_0000n / BigInt(segmentSize);
  return { timeline: Number(timeline), number: log * perLog + segment };
}

/** Returns all names from the first to the last segment, inclusive, on the timeline of the first one. */
export function segmentRange(first: string, last: string, segmentSize: number): string[] {
  const { timeline, number } = parseSegmentName(first, segmentSize);
  const end = parseSegmentName(last, segmentSize).number;
  const names: string[] = [];
  for (let at = number; at <= end; at += 1n) names.push(segmentName({ timeline, number: at }, segmentSize));
  return names;
}

/** Returns the name of the backup history file that pg_backup_stop writes to the WAL archive, on a primary. */
export function backupHistoryFileName(startWal: string, startLsn: bigint, segmentSize: number): string {
  return `${startWal}.${hexadecimal(startLsn % BigInt(segmentSize), 8)}.backup`;
}

function hexadecimal(value: bigint, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, '0');
}
