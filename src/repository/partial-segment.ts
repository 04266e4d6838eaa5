/**
 * Segments of which the archive has only a .partial file. A promoted standby archives the last segment of the old
 * timeline under such a name, and pg_receivewal uses such a name for a segment that is not complete. Recovery does not
 * request .partial files.
 */
import { basename, dirname } from 'node:path';
import { isInArchive } from './wal-archive.ts';
import { formatLsn } from '../postgres/lsn.ts';
import type { Histories } from '../postgres/timeline-history.ts';
import { parseSegmentName, segmentName } from '../postgres/wal-segment.ts';

/** Whether the archive has the .partial file of `segment`, and not the segment. */
export async function isPartialOnly(clusterDirectory: string, segment: string): Promise<boolean> {
  return (
    (await isInArchive(clusterDirectory, `${segment}.partial`)) &&
    !(await isInArchive(clusterDirectory, segment))
  );
}

/** A timeline that branched off within a segment. */
export interface BegunTimeline {
  timeline: number;
  /** The LSN at which the timeline begins. */
  lsn: bigint;
  /**
   * The segment with the same number on the new timeline. This segment also has the WAL of the old timeline up to
   * `lsn`.
   */
  segment: string;
}

/** Returns the timelines that began within `segment`, according to the timeline history files. Pure. */
export function continuationsOf(segment: string, histories: Histories, segmentSize: number): BegunTimeline[] {
  const { timeline: left, number } = parseSegmentName(segment, segmentSize);
  return [...histories].flatMap(([timeline, ancestors]) => {
    const parent = ancestors.at(-1);
    if (parent?.timeline !== left || parent.end / BigInt(segmentSize) !== number) return [];
    return [{ timeline, lsn: parent.end, segment: segmentName({ timeline, number }, segmentSize) }];
  });
}

/** A segment of which the archive has only a .partial file. */
export interface PartialOnly {
  segment: string;
  clusterDirectory: string;
  /** A timeline that began within the segment. `isThere`: the archive has the first segment of that timeline. */
  continuation: (BegunTimeline & { isThere: boolean }) | undefined;
}

/** Describes the problem for a message. Pure. */
export function whatIsPartial({ segment, continuation }: PartialOnly): string {
  const what = `the archive has ${segment} only as ${segment}.partial, which recovery does not read`;
  if (continuation?.isThere !== true) return what;
  return `${what}: its timeline was left there, and what it has up to ${formatLsn(continuation.lsn)} is in ${continuation.segment} as well`;
}

/** Returns the commands to type. `quote` turns a text into one word for the shell. Pure. */
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
  // As a whole segment, the old file would look like the newest WAL of a server that continued on the old timeline.
  const old = Number.parseInt(segment.slice(0, 8), 16);
  return `archive ${continuation.segment} of the server that went on from there, which has all of it ("holdfast wal push FILE"); where that is lost, restore with --target-timeline ${old}, and before that ${make}`;
}
