/**
 * Segments that the archive has as .partial only: what a promoted standby had of the last one of the timeline that it
 * left, or pg_receivewal. Recovery asks for no such file.
 */
import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { archivedPath } from './wal-archive.ts';
import { formatLsn } from '../postgres/lsn.ts';
import type { Ancestor } from '../postgres/timeline-history.ts';
import { parseSegmentName, segmentName } from '../postgres/wal-segment.ts';

/** Whether there is what a server had of a segment, and not the segment. */
export async function isPartialOnly(clusterDirectory: string, segment: string): Promise<boolean> {
  const isThere = (name: string) =>
    stat(archivedPath(clusterDirectory, name)).then(
      () => true,
      () => false,
    );
  return (await isThere(`${segment}.partial`)) && !(await isThere(segment));
}

export interface BegunTimeline {
  timeline: number;
  /** Where it begins. */
  lsn: bigint;
  /** Its segment with the same number, which has what the other timeline had up to there. */
  segment: string;
}

/** The timelines that were begun within a segment, by what the history files say. Pure. */
export function continuationsOf(
  segment: string,
  histories: ReadonlyMap<number, readonly Ancestor[]>,
  segmentSize: number,
): BegunTimeline[] {
  const { timeline: left, number } = parseSegmentName(segment, segmentSize);
  return [...histories].flatMap(([timeline, ancestors]) => {
    const parent = ancestors.at(-1);
    if (parent?.timeline !== left || parent.end / BigInt(segmentSize) !== number) return [];
    return [{ timeline, lsn: parent.end, segment: segmentName({ timeline, number }, segmentSize) }];
  });
}

export interface PartialOnly {
  segment: string;
  clusterDirectory: string;
  /** A timeline that was begun within it; `isThere`: its own segment is in the archive. */
  continuation: (BegunTimeline & { isThere: boolean }) | undefined;
}

/** Pure. */
export function whatIsPartial({ segment, continuation }: PartialOnly): string {
  const what = `the archive has ${segment} only as ${segment}.partial, which recovery does not read`;
  if (continuation?.isThere !== true) return what;
  return `${what}: its timeline was left there, and what it has up to ${formatLsn(continuation.lsn)} is in ${continuation.segment} as well`;
}

/** What to type. `quote`: makes one word for the shell. Pure. */
export function howToUsePartial(
  { segment, clusterDirectory, continuation }: PartialOnly,
  quote: (text: string) => string,
): string {
  const where = `--repository ${quote(dirname(clusterDirectory))} --cluster ${quote(basename(clusterDirectory))}`;
  const commands = [
    'd=$(mktemp -d)',
    `holdfast wal fetch ${segment}.partial "$d/${segment}" ${where}`,
    `holdfast wal push "$d/${segment}" ${where}`,
  ].join(' && ');
  const make = `make it a whole one, as the user that owns the repository, if no server has more of it: ${commands}`;
  if (continuation === undefined) return make;
  if (continuation.isThere)
    return `type --target-timeline ${continuation.timeline} --target-lsn ${formatLsn(continuation.lsn)} to restore all of it`;
  // Whole, it would look like the newest data of a server that went on there.
  const old = Number.parseInt(segment.slice(0, 8), 16);
  return `archive ${continuation.segment} of the server that went on from there, which has all of it ("holdfast wal push FILE"); where that is lost, restore with --target-timeline ${old}, and before that ${make}`;
}
