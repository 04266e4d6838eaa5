/**
 * Whether a segment that the archive does not have is a hole in it, and not its end. PostgreSQL takes it for the end:
 * recovery would be over there, and the server open, without what later segments hold.
 */
import { open, readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '../errors.ts';
import { formatLsn } from '../postgres/lsn.ts';
import { parseTimelineHistory, type Ancestor } from '../postgres/timeline-history.ts';
import { parseSegmentHeader, segmentHeaderBytes } from '../postgres/wal-header.ts';
import { parseSegmentName } from '../postgres/wal-segment.ts';
import { archivedPath, segmentsIn, walFileKind, walLogs } from '../repository/wal-archive.ts';
import { requireIdentity } from './fetch-segment.ts';

/** Milliseconds for which it may still come: a directory that is read while it changes may show the later file only. */
const patience = 10_000;
const pollEvery = 500;

/**
 * false: the archive ends before `name`. true: there is a hole, and `name` has come meanwhile.
 * @throws HoldfastError `wal_missing` where it has not
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
 * Whether pg_wal has that segment, as a backup brings it that was made before its WAL was archived: PostgreSQL reads
 * what is there where the archive has nothing. A file that only waits to be used again begins with another address.
 */
export async function isAlreadyInPlace(name: string, walDirectory: string): Promise<boolean> {
  const file = await open(join(walDirectory, name)).catch(() => undefined);
  if (file === undefined) return false;
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(segmentHeaderBytes), 0, segmentHeaderBytes, 0);
    const { address, segmentSize } = parseSegmentHeader(buffer.subarray(0, bytesRead));
    return address === parseSegmentName(name, segmentSize).number * BigInt(segmentSize);
  } catch {
    return false;
  } finally {
    await file.close();
  }
}

/** A segment of the same timeline that is behind it; undefined: none, or the timeline began later. */
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
 * A history file by which the server goes on to another timeline behind that segment, so that there was more of it;
 * undefined: there is none. Recovery keeps the one that it follows in pg_wal (timeline.c: readTimeLineHistory).
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
    const ancestors = await ancestorsIn(join(walDirectory, file));
    const at = ancestors.findIndex((ancestor) => ancestor.timeline === timeline);
    const [end, begin] = [ancestors[at]?.end, ancestors[at - 1]?.end ?? 0n];
    const segmentOf = (lsn: bigint) => lsn / BigInt(walSegmentSize);
    if (end !== undefined && segmentOf(begin) <= number && number < segmentOf(end))
      return `${file}, by which timeline ${timeline} went on to ${formatLsn(end)}`;
  }
  return undefined;
}

/** None where it cannot be read: who asks for it is told. */
async function ancestorsIn(path: string): Promise<Ancestor[]> {
  try {
    return parseTimelineHistory(await readFile(path), Number.parseInt(basename(path), 16));
  } catch {
    return [];
  }
}

/** Recovery asks for a segment on the newest timeline first, whether that had begun by then or not (up to 12). */
async function isOn(name: string, clusterDirectory: string): Promise<boolean> {
  const { walSegmentSize } = await requireIdentity(clusterDirectory);
  const { timeline, number } = parseSegmentName(name, walSegmentSize);
  if (timeline === 1) return true;
  try {
    const history = await readFile(archivedPath(clusterDirectory, `${name.slice(0, 8)}.history`));
    const begin = parseTimelineHistory(history, timeline).at(-1)?.end;
    return begin !== undefined && number >= begin / BigInt(walSegmentSize);
  } catch {
    return false; // nobody can know
  }
}

function missing(name: string, later: string, clusterDirectory: string): HoldfastError {
  return new HoldfastError(
    'failed',
    `the archive in "${clusterDirectory}" has ${later}, but not ${name}: recovery would end before it`,
    {
      code: 'wal_missing',
      hint: 'archive it ("holdfast wal push FILE"), restore a backup or to a target that does without it, or end here, knowingly, with HOLDFAST_DESPITE_MISSING_WAL=1 in restore_command',
    },
  );
}
