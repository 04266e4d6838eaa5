/**
 * Which WAL segments recovery reads: from a backup along the timelines that lead to the target's. Pure.
 * (src/backend/access/transam/xlogrecovery.c: XLogFileReadAnyTLI)
 */
import type { Ancestor, TimelineSpan } from '../postgres/timeline-history.ts';
import { parseSegmentName, segmentName } from '../postgres/wal-segment.ts';

/** What the archive has: its segments' names, and how each timeline came about. */
export interface ArchiveContents {
  segments: ReadonlySet<string>;
  histories: ReadonlyMap<number, readonly Ancestor[]>;
}

export type WalSpan = TimelineSpan;

/** As the server finds it: it looks for the history files of the next timelines, one after the other. */
export function newestTimeline(from: number, histories: ArchiveContents['histories']): number {
  let newest = from;
  while (histories.has(newest + 1)) newest += 1;
  return newest;
}

/** The file that recovery needs for a segment: that of the newest timeline that had begun by then. */
export function fileFor(number: bigint, path: readonly WalSpan[], segmentSize: number): string {
  const span = path.findLast(({ begin }) => begin / BigInt(segmentSize) <= number);
  return segmentName({ timeline: span?.timeline ?? 0, number }, segmentSize);
}

export interface Coverage {
  /** The last segment of those that follow each other without a hole; undefined: not even the first is there. */
  last: string | undefined;
  /** The first one that is missing although later ones are there. */
  hole: string | undefined;
}

/** How far the archive reaches from one segment on. */
export function coverageFrom(
  first: string,
  path: readonly WalSpan[],
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

/** Whether there is any segment on the path after this one. */
function goesOn(
  after: bigint,
  path: readonly WalSpan[],
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
