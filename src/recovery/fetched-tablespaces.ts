/**
 * What a segment does that came into the archive after the restore had looked through it: where it creates a tablespace
 * in the place of another server's, replay would take that over, and the segment is not handed out. Of damaged or odd
 * WAL nothing is said here: replay does.
 */
import { readFile, readlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { formatLsn } from '../postgres/lsn.ts';
import { parseSegmentName, segmentName } from '../postgres/wal-segment.ts';
import { readCompressed } from '../repository/compressed-file.ts';
import { segmentBeforeIn } from '../repository/segment-before.ts';
import { archivedPath } from '../repository/wal-archive.ts';
import { refusalOf, type Creation } from './created-tablespaces.ts';
import { targetIn } from './configured-target.ts';
import { walOfCopy, type WalEvent } from './wal-events.ts';

export interface FetchedSegment {
  name: string;
  /** Of the server. */
  walDirectory: string;
  clusterDirectory: string;
  /** Bytes. */
  walSegmentSize: number;
  /** Whether its server never ends its recovery. */
  standby: boolean;
}

/** @throws HoldfastError `tablespace_created` */
export async function refuseTablespaces(segment: FetchedSegment): Promise<void> {
  const directory = dirname(segment.walDirectory);
  const events = await eventsOf(segment, directory).catch(() => []);
  const major = await readFile(join(directory, 'PG_VERSION'), 'utf8').catch(() => '');
  const dropped = new Set<string>();
  for (const event of events) {
    if (event.kind === 'dropped') dropped.add(event.oid);
    if (event.kind !== 'tablespace' || !event.isFetched || (await isOwn(event, directory, dropped))) continue;
    const refusal = await refusalOf(event, {
      backup: { serverVersion: major.trim(), stopLsn: formatLsn(0n) },
      stopBefore: segment.standby
        ? undefined
        : (lsn) => `restore again and stop before it: --target-lsn ${lsn} --target-exclusive`,
      // Where there is no such directory, replay ends by itself, and goes on from there once it has been made.
      asWere: true,
    });
    if (refusal !== undefined) throw refusal;
  }
}

type Seen = WalEvent & { isFetched: boolean };

/** Of the segment and the one before: a record may begin there, and a target be reached. */
async function eventsOf(
  { name, clusterDirectory, walSegmentSize }: FetchedSegment,
  directory: string,
): Promise<Seen[]> {
  const target = await targetIn(directory);
  const { timeline, number } = parseSegmentName(name, walSegmentSize);
  const found = segmentBeforeIn(clusterDirectory, name, walSegmentSize);
  const before = segmentName({ timeline, number: number - 1n }, walSegmentSize);
  const paths = new Map([
    [name, archivedPath(clusterDirectory, name)],
    ...(found === undefined ? [] : [[before, archivedPath(clusterDirectory, found)] as const]),
  ]);
  const events = walOfCopy({
    backup: {
      startWal: found === undefined ? name : before,
      stopWal: name,
      startLsn: formatLsn(0n),
      stopLsn: formatLsn(0n),
      walSegmentSize,
    },
    path: [{ timeline, begin: 0n, end: undefined }],
    target,
    sources: [{ pathOf: (one) => paths.get(one) ?? '', read: readCompressed }],
  });
  const seen: Seen[] = [];
  let isFetched = false;
  try {
    for await (const event of events) {
      if (event.kind === 'segment') isFetched = event.name === name;
      seen.push({ ...event, isFetched });
    }
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error; // damaged: what comes before it counts
  }
  return seen;
}

/** Whether replay has been there, in this directory: it goes on from where it was, again and again. */
async function isOwn(
  { oid, location }: Creation,
  directory: string,
  dropped: ReadonlySet<string>,
): Promise<boolean> {
  for (const its of [oid, ...dropped]) {
    const to = await readlink(join(directory, 'pg_tblspc', its), 'latin1').catch(() => undefined);
    if (to === location) return true;
  }
  return false;
}
