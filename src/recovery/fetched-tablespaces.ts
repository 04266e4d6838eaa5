/**
 * Checks a WAL segment that was archived after the restore had examined the WAL. If the segment creates a
 * tablespace where another server has files, the segment is not handed out, because replay would take these
 * files over. Damaged WAL is not reported here, because replay reports damaged WAL.
 */
import { readlink } from 'node:fs/promises';
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
import { readSmallFile } from '../system/small-file.ts';

/** A segment that restore_command is about to hand out. */
export interface FetchedSegment {
  name: string;
  /** pg_wal of the restored server. */
  walDirectory: string;
  clusterDirectory: string;
  /** Bytes. */
  walSegmentSize: number;
  /** Whether the server is a standby, whose recovery has no end. */
  standby: boolean;
}

/**
 * Refuses a segment that creates a tablespace in the location of another server.
 * @throws HoldfastError `tablespace_created`
 */
export async function refuseTablespaces(segment: FetchedSegment): Promise<void> {
  const directory = dirname(segment.walDirectory);
  const events = await eventsOf(segment, directory).catch(() => []);
  const major = await readSmallFile(join(directory, 'PG_VERSION')).then(String, () => '');
  const dropped = new Set<string>();
  for (const event of events) {
    if (event.kind === 'dropped') dropped.add(event.oid);
    if (event.kind !== 'tablespace' || !event.isFetched || (await isOwn(event, directory, dropped))) continue;
    const refusal = await refusalOf(event, {
      backup: { serverVersion: major.trim(), stopLsn: formatLsn(0n) },
      stopBefore: segment.standby
        ? undefined
        : (lsn) => `restore again and stop before it: --target-lsn ${lsn} --target-exclusive`,
      // If the directory is missing, replay stops by itself, and continues once the directory exists.
      asWere: true,
    });
    if (refusal !== undefined) throw refusal;
  }
}

type Seen = WalEvent & { isFetched: boolean };

/**
 * Reads the events of the segment and of the segment before. A record of this segment may begin in the one
 * before, and a recovery target may be reached there.
 */
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
    if (!(error instanceof HoldfastError)) throw error; // events before the damage count
  }
  return seen;
}

/** Whether this server has already replayed the creation. A restarted recovery replays records again. */
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
