/** Finds a WAL segment that recovery needs and that the archive has only as a .partial file. */
import { parseSegmentName, segmentName } from '../postgres/wal-segment.ts';
import { continuationsOf, isPartialOnly, type PartialOnly } from '../repository/partial-segment.ts';
import type { RequiredWal } from './required-wal.ts';
import type { ArchiveContents } from '../repository/archive-content.ts';
import type { TimelineSpan } from '../postgres/timeline-history.ts';

/**
 * The .partial file after the last of the consecutive segments. undefined if the archive has no such file, or
 * if recovery reaches the target before.
 */
export async function partialOnWay(
  clusterDirectory: string,
  needs: RequiredWal,
  { histories }: ArchiveContents,
): Promise<PartialOnly | undefined> {
  if (!isWanted(needs)) return undefined;
  const names = namesOf(needs);
  if (names.some((name) => needs.segments.has(name))) return undefined;
  for (const segment of names) {
    if (!(await isPartialOnly(clusterDirectory, segment))) continue;
    const later = continuationsOf(segment, histories, needs.backup.walSegmentSize).map((one) => ({
      ...one,
      isThere: needs.segments.has(one.segment),
    }));
    return { segment, clusterDirectory, continuation: later.find(({ isThere }) => isThere) ?? later[0] };
  }
  return undefined;
}

function nextNumber({ backup: { stopWal, walSegmentSize }, coverage: { last } }: RequiredWal): bigint {
  return last === undefined
    ? parseSegmentName(stopWal, walSegmentSize).number
    : parseSegmentName(last, walSegmentSize).number + 1n;
}

/** The names of the segment in the order in which recovery asks for the files: newest timeline first. */
function namesOf(needs: RequiredWal): string[] {
  const { walSegmentSize } = needs.backup;
  const number = nextNumber(needs);
  const begin = number * BigInt(walSegmentSize);
  const has = (span: TimelineSpan) =>
    span.begin < begin + BigInt(walSegmentSize) && (span.end === undefined || span.end > begin);
  return needs.path
    .filter(has)
    .map(({ timeline }) => segmentName({ timeline, number }, walSegmentSize))
    .toReversed();
}

function isWanted({ target, coverage, isReached }: RequiredWal): boolean {
  if (coverage.last === undefined) return true; // the backup needs this segment
  return target.kind !== 'immediate' && !isReached;
}
