/** Whether WAL segments are of one history: each one is held against the one before it. */
import type { TimelineSpan } from './timeline-history.ts';
import { breakBetween, LinkReader, type SegmentLinks } from './wal-chain.ts';
import { parseSegmentName } from './wal-segment.ts';

export interface SegmentFile {
  name: string;
  path: string;
}

/** What is in such a file, in whole pages. @throws RangeError where it is damaged */
export type ReadSegment = (path: string, segmentSize: number) => AsyncIterable<Buffer>;

export interface ChainBreak {
  /** The segments between which it is. */
  before: string;
  after: string;
  /** Both, the LSN, and what does not fit. */
  reason: string;
}

/** Files that are read at once: each of them decompresses several frames at a time. */
const atOnce = 2;

/** What ties a stored segment to its neighbours. @throws RangeError where it is damaged, which names it */
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
    if (!(error instanceof RangeError)) throw error;
    throw new RangeError(`"${path}" is damaged: ${error.message}`, { cause: error });
  }
}

/**
 * The first place where a segment is not what came after the one before it. The files are given in the order of the
 * WAL, without a hole. @throws RangeError where one is damaged
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
