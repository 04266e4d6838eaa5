/**
 * Decides whether a segment that the archive does not have is a gap in the archive or its end. PostgreSQL takes every
 * missing segment for the end: recovery would end there, and the server would open without the WAL of later segments.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '../errors.ts';
import { formatLsn } from '../postgres/lsn.ts';
import { historyFile, readAncestors, spansTo } from '../postgres/timeline-history.ts';
import { isBeginningOf, segmentHeaderBytes } from '../postgres/wal-header.ts';
import { parseSegmentName } from '../postgres/wal-segment.ts';
import { archivedPath, segmentsIn, walFileKind, walLogs } from '../repository/wal-archive.ts';
import { requireIdentity } from './fetch-segment.ts';
import { openRegularFile } from '../system/regular-file.ts';

/** Milliseconds to wait for the segment. A directory read while it changes may show only the later file. */
const patience = 10_000;
const pollEvery = 500;

/**
 * Returns false where the archive ends before `name`, and true where there is a gap and `name` has been archived
 * meanwhile.
 * @throws HoldfastError `wal_missing` where `name` is missing
 */
export async function appearsAfterGap(
  name: string,
  { walDirectory, clusterDirectory }: { walDirectory: string; clusterDirectory: string },
  isThere: () => Promise<boolean>,
): Promise<boolean> {
  for (const end = performance.now() + patience; ;) {
    const later =
      (await laterThan(name, clusterDirectory)) ?? (await leftLater(name, walDirectory, clusterDirectory));
    if (later === undefined) return false;
    if (performance.now() >= end) throw missing(name, later, clusterDirectory);
    await sleep(pollEvery);
    if (await isThere()) return true;
  }
}

/**
 * Whether pg_wal has the segment, for example from a backup made before its WAL was archived: PostgreSQL reads pg_wal
 * where the archive has no such segment. A recycled file begins with another address.
 */
export async function isAlreadyInPlace(name: string, walDirectory: string): Promise<boolean> {
  const file = await openRegularFile(join(walDirectory, name)).catch(() => undefined);
  if (file === undefined) return false;
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(segmentHeaderBytes), 0, segmentHeaderBytes, 0);
    return isBeginningOf(buffer.subarray(0, bytesRead), { name });
  } catch {
    return false;
  } finally {
    await file.close();
  }
}

/**
 * Returns a later segment on the same timeline; undefined where there is none, or where the timeline began after
 * `name`.
 */
async function laterThan(name: string, clusterDirectory: string): Promise<string | undefined> {
  const timeline = name.slice(0, 8);
  const logs = (await walLogs(clusterDirectory)).filter((log) => log.startsWith(timeline));
  for (const log of logs.filter((one) => one >= name.slice(0, 16))) {
    const later = (await segmentsIn(clusterDirectory, log)).find((one) => one > name);
    if (later !== undefined) return (await isOn(name, clusterDirectory)) ? later : undefined;
  }
  return undefined;
}

/**
 * Returns the history file of a timeline that branched off behind the segment, which proves that the segment existed;
 * undefined where there is none. Recovery keeps the history file that it follows in pg_wal (timeline.c:
 * readTimeLineHistory).
 */
async function leftLater(
  name: string,
  walDirectory: string,
  clusterDirectory: string,
): Promise<string | undefined> {
  const { walSegmentSize } = await requireIdentity(clusterDirectory);
  const { timeline, number } = parseSegmentName(name, walSegmentSize);
  const names = await readdir(walDirectory).catch((): string[] => []);
  for (const file of names.filter((one) => walFileKind(one) === 'timeline history').sort()) {
    const newer = Number.parseInt(file, 16);
    const spans = spansTo(newer, new Map([[newer, await readAncestors(join(walDirectory, file))]]));
    const { begin, end } = spans.find((span) => span.timeline === timeline) ?? {};
    const segmentOf = (lsn: bigint) => lsn / BigInt(walSegmentSize);
    if (begin !== undefined && end !== undefined && segmentOf(begin) <= number && number < segmentOf(end))
      return `${file}, by which timeline ${timeline} went on to ${formatLsn(end)}`;
  }
  return undefined;
}

/**
 * Whether the timeline had begun by this segment. Up to PostgreSQL 12, recovery requests each segment on the newest
 * timeline first, even before the beginning of that timeline.
 */
async function isOn(name: string, clusterDirectory: string): Promise<boolean> {
  const { walSegmentSize } = await requireIdentity(clusterDirectory);
  const { timeline, number } = parseSegmentName(name, walSegmentSize);
  if (timeline === 1) return true;
  const begin = (await readAncestors(archivedPath(clusterDirectory, historyFile(timeline)))).at(-1)?.end;
  return begin !== undefined && number >= begin / BigInt(walSegmentSize);
}

function missing(name: string, later: string, clusterDirectory: string): HoldfastError {
  return new HoldfastError(
    'failed',
    `the archive in "${clusterDirectory}" has ${later}, but not ${name}: recovery would end before it`,
    {
      code: 'wal_missing',
      hint: 'archive that segment ("holdfast wal push FILE"), restore to a target before it, or let recovery end there with HOLDFAST_DESPITE_MISSING_WAL=1 in restore_command',
    },
  );
}
