/**
 * Tells until when a timeline was written to, by the times in its records. The times of the archived files are those of
 * a copy, where the repository was copied.
 */
import { recordedTime, recoveryRecordBytes } from '../postgres/recovery-records.ts';
import { pageSizeIn } from '../postgres/wal-page.ts';
import { WalRecords } from '../postgres/wal-records.ts';
import { parseSegmentName } from '../postgres/wal-segment.ts';
import { readCompressedFile } from '../repository/compressed-file.ts';
import { archivedPath } from '../repository/wal-archive.ts';

/** A time in the WAL. */
export interface WrittenTime {
  /** The name of the segment. */
  segment: string;
  at: Date;
}

/** Segments that are read of a timeline. A server that writes a lot makes a checkpoint within fewer. */
const mostRead = 64;

/**
 * Returns the newest time in the newest segment that has one; undefined where none has. A segment that is missing or
 * damaged is passed over. `segments`: names of one timeline. `segmentSize`: bytes.
 */
export async function lastWritten(
  clusterDirectory: string,
  segments: Iterable<string>,
  segmentSize: number,
): Promise<WrittenTime | undefined> {
  const newestFirst = [...segments].sort().toReversed().slice(0, mostRead);
  for (const segment of newestFirst) {
    const time = await newestTimeIn(archivedPath(clusterDirectory, segment), segment, segmentSize);
    if (time !== undefined) return { segment, at: new Date(Number(time / 1000n)) };
  }
  return undefined;
}

async function newestTimeIn(path: string, name: string, segmentSize: number): Promise<bigint | undefined> {
  const records = new WalRecords(recoveryRecordBytes);
  let address = parseSegmentName(name, segmentSize).number * BigInt(segmentSize);
  let pageSize: number | undefined;
  let newest: bigint | undefined;
  try {
    for await (const pages of readCompressedFile(path, segmentSize)) {
      pageSize ??= pageSizeIn(pages);
      if (pageSize === undefined) return undefined;
      for (const record of records.in(pages, address, pageSize)) {
        const time = recordedTime(record);
        if (time !== undefined && (newest === undefined || time > newest)) newest = time;
      }
      address += BigInt(pages.length);
    }
  } catch (error) {
    const isGone = (error as NodeJS.ErrnoException).code === 'ENOENT';
    if (!isGone && !(error instanceof RangeError)) throw error;
  }
  return newest;
}
