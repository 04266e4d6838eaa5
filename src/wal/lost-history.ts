/**
 * Decides whether a timeline history file that the archive does not have is lost. PostgreSQL requests the next
 * timeline's history file to find out whether that timeline exists (src/backend/access/transam/timeline.c:
 * existsTimeLineHistory); usually the file does not exist. If the file is lost, recovery would end on an older
 * timeline, and the server would choose the number of the lost timeline again.
 */
import { readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { readAncestors, traceOf, type Ancestor } from '../postgres/timeline-history.ts';
import { readSoundControlFile } from '../postgres/torn-control-file.ts';
import {
  archivedPath,
  segmentsIn,
  timelineHistories,
  walFileKind,
  walLogs,
} from '../repository/wal-archive.ts';

/**
 * Returns false where the archive has no trace of the timeline, and true where the file has been archived meanwhile.
 * @throws HoldfastError `history_missing` where the archive has WAL or a descendant of the timeline
 */
export async function historyHasCome(
  name: string,
  { walDirectory, clusterDirectory }: { walDirectory: string; clusterDirectory: string },
  isThere: () => Promise<boolean>,
): Promise<boolean> {
  const timeline = Number.parseInt(name, 16);
  // A server does not need the history file of its current timeline, nor of one before the timeline that it follows.
  if (timeline <= (await timelineOf(dirname(walDirectory)))) return false;
  if ((await followedIn(walDirectory)) > timeline) return false;
  const trace = await traceIn(timeline, clusterDirectory);
  if (trace === undefined) return false;
  // The history file is archived before the segments, and may have been archived during the search for segments.
  if (await isThere()) return true;
  throw new HoldfastError(
    'failed',
    `the archive in "${clusterDirectory}" has ${trace}, but not ${name}: recovery would end before timeline ${timeline}`,
    {
      code: 'history_missing',
      hint: `archive ${name} ("holdfast wal push FILE"): every server that has been on timeline ${timeline} has it in pg_wal; or let recovery end there with HOLDFAST_DESPITE_MISSING_WAL=1 in restore_command`,
    },
  );
}

async function traceIn(timeline: number, clusterDirectory: string): Promise<string | undefined> {
  const segments: string[] = [];
  for (const log of await walLogs(clusterDirectory))
    if (segments.length === 0 && Number.parseInt(log.slice(0, 8), 16) >= timeline)
      segments.push(...(await segmentsIn(clusterDirectory, log)));
  const histories = new Map<number, readonly Ancestor[]>();
  for (const name of await timelineHistories(clusterDirectory)) {
    const later = Number.parseInt(name, 16);
    if (later > timeline) histories.set(later, await readAncestors(archivedPath(clusterDirectory, name)));
  }
  return traceOf(timeline, segments, histories);
}

/**
 * Returns the newest timeline whose history file is in pg_wal, where recovery keeps the one that it follows (timeline.c:
 * readTimeLineHistory).
 */
async function followedIn(walDirectory: string): Promise<number> {
  const names = await readdir(walDirectory).catch((): string[] => []);
  const histories = names.filter((name) => walFileKind(name) === 'timeline history');
  return Math.max(0, ...histories.map((name) => Number.parseInt(name, 16)));
}

/** Returns the timeline of the latest checkpoint; 0 where pg_control cannot be read. */
async function timelineOf(dataDirectory: string): Promise<number> {
  try {
    return (await readSoundControlFile(dataDirectory)).control.timeline;
  } catch {
    return 0;
  }
}
