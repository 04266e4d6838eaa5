/**
 * WAL segment file names: timeline, log and segment number, eight hexadecimal digits each
 * (src/include/access/xlog_internal.h: XLogFileName, BackupHistoryFileName).
 */

export interface WalSegment {
  timeline: number;
  /** The segment's number, counted from the beginning of the WAL. */
  number: bigint;
}

export function segmentName({ timeline, number }: WalSegment, segmentSize: number): string {
  const perLog = 0x1_0000_0000n / BigInt(segmentSize);
  return [BigInt(timeline), number / perLog, number % perLog].map((part) => hexadecimal(part, 8)).join('');
}

/** The segment with the byte before an LSN: where that is the first byte of a segment, the segment before it. */
export function segmentBefore(lsn: bigint, timeline: number, segmentSize: number): string {
  return segmentName({ timeline, number: (lsn - 1n) / BigInt(segmentSize) }, segmentSize);
}

export function parseSegmentName(name: string, segmentSize: number): WalSegment {
  const match = /^([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})$/.exec(name);
  if (match === null) throw new RangeError(`"${name}" is not the name of a WAL segment`);
  const [timeline = 0n, log = 0n, segment = 0n] = match.slice(1).map((part) => BigInt(`0x${part}`));
  const perLog = 0x1_0000_0000n / BigInt(segmentSize);
  return { timeline: Number(timeline), number: log * perLog + segment };
}

/** All names from the first to the last segment, both included, on the first one's timeline. */
export function segmentRange(first: string, last: string, segmentSize: number): string[] {
  const { timeline, number } = parseSegmentName(first, segmentSize);
  const end = parseSegmentName(last, segmentSize).number;
  const names: string[] = [];
  for (let at = number; at <= end; at += 1n) names.push(segmentName({ timeline, number: at }, segmentSize));
  return names;
}

/** The name of the file in which pg_backup_stop notes a backup on a primary, in the WAL archive. */
export function backupHistoryFileName(startWal: string, startLsn: bigint, segmentSize: number): string {
  return `${startWal}.${hexadecimal(startLsn % BigInt(segmentSize), 8)}.backup`;
}

function hexadecimal(value: bigint, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, '0');
}
