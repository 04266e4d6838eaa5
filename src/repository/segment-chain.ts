/** Whether the WAL segments of an archive are of one history: each one is held against the one before it. */
import { open } from 'node:fs/promises';
import { breakBetween, LinkReader, type SegmentLinks } from '../postgres/wal-chain.ts';
import type { TimelineSpan } from '../postgres/timeline-history.ts';
import { parseSegmentName } from '../postgres/wal-segment.ts';
import { readCompressed } from './compressed-file.ts';

export interface SegmentFile {
  name: string;
  path: string;
}

export interface Break {
  /** The segments between which it is. */
  before: string;
  after: string;
  /** Both, the LSN, and what does not fit. */
  reason: string;
}

/** Files that are read at once: each of them decompresses several frames at a time. */
const atOnce = 2;

/** What ties a stored segment to its neighbours. @throws RangeError where it is damaged, which names it */
export async function readLinks(file: SegmentFile, segmentSize: number): Promise<SegmentLinks> {
  try {
    return await linksIn(file, segmentSize);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new RangeError(`"${file.path}" is damaged: ${error.message}`, { cause: error });
  }
}

async function linksIn({ name, path }: SegmentFile, segmentSize: number): Promise<SegmentLinks> {
  const reader = new LinkReader(name, parseSegmentName(name, segmentSize).number * BigInt(segmentSize));
  const file = await open(path, 'r');
  try {
    for await (const pages of readCompressed(file, segmentSize)) reader.take(pages);
  } finally {
    await file.close();
  }
  return reader.links();
}

/**
 * The first place where a segment is not what came after the one before it. The files are given in the order of the
 * WAL, without a hole. @throws RangeError where one is damaged
 */
export async function findBreak(
  files: readonly SegmentFile[],
  segmentSize: number,
  spans?: readonly TimelineSpan[],
): Promise<Break | undefined> {
  let before: SegmentLinks | undefined;
  for (let at = 0; at < files.length; at += atOnce) {
    const some = files.slice(at, at + atOnce);
    for (const after of await Promise.all(some.map((file) => readLinks(file, segmentSize)))) {
      const reason = before === undefined ? undefined : breakBetween(before, after, spans);
      if (before !== undefined && reason !== undefined)
        return { before: before.name, after: after.name, reason };
      before = after;
    }
  }
  return undefined;
}
