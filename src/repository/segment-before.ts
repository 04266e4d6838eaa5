/** Finds the segment before another segment in the archive. */
import { existsSync } from 'node:fs';
import { parseSegmentName, segmentName } from '../postgres/wal-segment.ts';
import { archivedPath } from './wal-archive.ts';

/** Larger than the number of timelines of any cluster seen. */
const mostTimelines = 100;

/**
 * Returns the name of the preceding segment, on the same timeline or an earlier one: a timeline may begin with the
 * segment. undefined where the archive does not have the segment.
 */
export function segmentBeforeIn(
  clusterDirectory: string,
  name: string,
  segmentSize: number,
): string | undefined {
  const { timeline, number } = parseSegmentName(name, segmentSize);
  for (let on = timeline; number > 0n && on > 0 && on > timeline - mostTimelines; on -= 1) {
    const before = segmentName({ timeline: on, number: number - 1n }, segmentSize);
    if (existsSync(archivedPath(clusterDirectory, before))) return before;
  }
  return undefined;
}
