/**
 * Tells which WAL segments recovery reads, from a backup along the timelines to the target. Pure.
 * (src/backend/access/transam/xlogrecovery.c: XLogFileReadAnyTLI)
 */
import type { TimelineSpan } from '../postgres/timeline-history.ts';
import { parseSegmentName, segmentName } from '../postgres/wal-segment.ts';
import type { ArchiveContents } from '../repository/archive-content.ts';

/** The name of the segment that recovery reads: the segment of the newest timeline that had begun by then. */
export function fileFor(number: bigint, path: readonly TimelineSpan[], segmentSize: number): string {
  const span = path.findLast(({ begin }) => begin / BigInt(segmentSize) <= number);
  return segmentName({ timeline: span?.timeline ?? 0, number }, segmentSize);
}

/** How far consecutive segments reach. */
export interface Coverage {
  /** The last consecutive segment; undefined if the first segment is missing. */
  last: string | undefined;
  /** The first missing segment before an existing segment; undefined if there is no such segment. */
  hole: string | undefined;
}

/** How far the archive reaches without a missing segment, from the segment `first` on. */
export function coverageFrom(
  first: string,
  path: readonly TimelineSpan[],
  segments: ArchiveContents['segments'],
  segmentSize: number,
): Coverage {
  let { number } = parseSegmentName(first, segmentSize);
  let last: string | undefined;
  for (; ; number += 1n) {
    const name = fileFor(number, path, segmentSize);
    if (!segments.has(name)) break;
    last = name;
  }
  return {
    last,
    hole: goesOn(number, path, segments, segmentSize) ? fileFor(number, path, segmentSize) : undefined,
  };
}

/** Whether the archive has a segment on the path after the segment `after`. */
function goesOn(
  after: bigint,
  path: readonly TimelineSpan[],
  segments: ArchiveContents['segments'],
  segmentSize: number,
): boolean {
  const timelines = new Set(path.map(({ timeline }) => timeline));
  for (const name of segments) {
    const { timeline, number } = parseSegmentName(name, segmentSize);
    if (number > after && timelines.has(timeline) && fileFor(number, path, segmentSize) === name) return true;
  }
  return false;
}
