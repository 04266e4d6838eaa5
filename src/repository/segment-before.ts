/** The segment before another one, where the archive has it. */
import { existsSync } from 'node:fs';
import { parseSegmentName, segmentName } from '../postgres/wal-segment.ts';
import { archivedPath } from './wal-archive.ts';

/** More than anybody has had. */
const mostTimelines = 100;

/**
 * Its name: on the same timeline or, where that begins with the segment, on the one before. undefined: it is not in the
 * archive.
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
