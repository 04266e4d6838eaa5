/** Checks whether WAL segments belong to one history, by comparing each segment with the preceding one. */
import type { TimelineSpan } from './timeline-history.ts';
import { breakBetween, LinkReader, type SegmentLinks } from './wal-chain.ts';
import { UnknownFormatError } from './unknown-format-error.ts';
import { parseSegmentName } from './wal-segment.ts';

/** A stored segment. */
export interface SegmentFile {
  name: string;
  path: string;
}

/** Yields the content of a segment file in whole pages. @throws RangeError where the file is damaged */
export type ReadSegment = (path: string, segmentSize: number) => AsyncIterable<Buffer>;

/** A break in the chain of records. */
export interface ChainBreak {
  /** The segments before and after the break. */
  before: string;
  after: string;
  /** A message with both segments, the LSN, and the mismatch. */
  reason: string;
}

/** Files read at once. Decompressing one file already uses several threads. */
const atOnce = 2;

/**
 * Reads the links of a stored segment.
 * @throws RangeError with the path where the file is damaged; UnknownFormatError with the path
 */
export async function readLinks(
  { name, path }: SegmentFile,
  segmentSize: number,
  read: ReadSegment,
): Promise<SegmentLinks> {
  try {
    const reader = new LinkReader(name, parseSegmentName(name, segmentSize).number * BigInt(segmentSize));
    for await (const pages of read(path, segmentSize)) reader.take(pages);
    return reader.links();
  } catch (error) {
    if (error instanceof UnknownFormatError) throw error.in(path);
    if (!(error instanceof RangeError)) throw error;
    throw new RangeError(`"${path}" is damaged: ${error.message}`, { cause: error });
  }
}

/**
 * Finds the first segment whose records do not continue those of the preceding segment; undefined where there is
 * none. `files`: in the order of the WAL, without gaps.
 * @throws RangeError where a file is damaged; UnknownFormatError for WAL of other versions
 */
export async function findBreak(
  files: readonly SegmentFile[],
  { segmentSize, read, spans }: { segmentSize: number; read: ReadSegment; spans?: readonly TimelineSpan[] },
): Promise<ChainBreak | undefined> {
  let before: SegmentLinks | undefined;
  for (let at = 0; at < files.length; at += atOnce) {
    const some = files.slice(at, at + atOnce);
    for (const after of await Promise.all(some.map((file) => readLinks(file, segmentSize, read)))) {
      const reason = before === undefined ? undefined : breakBetween(before, after, spans);
      if (before !== undefined && reason !== undefined)
        return { before: before.name, after: after.name, reason };
      before = after;
    }
  }
  return undefined;
}
