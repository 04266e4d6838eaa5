/**
 * Whether the timeline that recovery would follow is the one that is meant. PostgreSQL takes the newest that it finds,
 * looking for the histories of the next ones, one after the other: where one is missing it stops before it, and where
 * the newest is an accident (a restored copy that was promoted, and archived once) it follows that.
 */
import { stat } from 'node:fs/promises';
import { HoldfastError } from '../errors.ts';
import { formatLsn, parseLsn } from '../postgres/lsn.ts';
import { historyFile, traceOf } from '../postgres/timeline-history.ts';
import { parseSegmentName } from '../postgres/wal-segment.ts';
import { archivedPath } from '../repository/wal-archive.ts';
import { leadsThrough, type BackupCandidate, type SelectionCriteria } from './select-backup.ts';
import { newestTimeline, type ArchiveContents, type WalSpan } from './wal-path.ts';

export interface TimelineQuestion {
  wish: SelectionCriteria;
  /** The backup that is to be restored, and the timelines of its recovery. */
  backup: BackupCandidate & { walSegmentSize: number };
  path: readonly WalSpan[];
  archive: ArchiveContents;
  /** All that there are. */
  backups: readonly BackupCandidate[];
  clusterDirectory: string;
}

/** Of a timeline that is asked for by its number. @throws HoldfastError `history_missing` */
export function requireHistory({ timeline }: SelectionCriteria, { histories }: ArchiveContents): void {
  if (typeof timeline !== 'number' || timeline === 1 || histories.has(timeline)) return;
  throw new HoldfastError('failed', `the archive does not have ${historyFile(timeline)}`, {
    code: 'history_missing',
    hint: `archive it ("holdfast wal push FILE"): every server that has been on timeline ${timeline} has it in pg_wal`,
  });
}

/** What the archive has of later timelines that recovery would not find; undefined: nothing. */
export function unreachable({ wish, path, archive }: TimelineQuestion): HoldfastError | undefined {
  if (wish.timeline !== 'latest' || wish.target.kind === 'immediate') return undefined;
  const reached = path.at(-1)?.timeline ?? 0;
  const [found] = filesBeyond(reached, archive);
  if (found === undefined) return undefined;
  const missing = historyFile(reached + 1);
  return new HoldfastError(
    'failed',
    `the archive has ${found.file}, but not ${missing}: recovery would end on timeline ${reached}`,
    {
      code: 'history_missing',
      hint: `archive ${missing} ("holdfast wal push FILE"), or say which timeline is meant: --target-timeline ${reached} ends there, --target-timeline ${found.timeline} goes on if its own history is there`,
    },
  );
}

/** The number that the restored server gives to the timeline that it begins: as it finds it, one after the other. */
export function nextTimeline({ path, archive }: Pick<TimelineQuestion, 'path' | 'archive'>): number {
  return newestTimeline(path.at(-1)?.timeline ?? 0, archive.histories) + 1;
}

/** What the archive has of timelines whose history files the server asks for in vain, up to the one that it begins. */
export function lostTimelines({ backup, path, archive }: TimelineQuestion): string[] {
  const next = nextTimeline({ path, archive });
  const lost: string[] = [];
  for (let timeline = backup.timeline + 1; timeline <= next; timeline += 1) {
    const trace = traceOf(timeline, archive.segments, archive.histories);
    if (trace === undefined) continue;
    const missing = `the archive has ${trace}, but not ${historyFile(timeline)}`;
    const same = `${missing}: the restored server begins a timeline ${timeline} of its own, which must not be archived there`;
    lost.push(timeline === next ? same : missing);
  }
  return lost;
}

/** Timelines that left the way behind the backup: other copies of it, or standbys that were promoted. */
export function branchesOff({ backup, path, archive }: TimelineQuestion): string[] {
  const branches = [...archive.histories].flatMap(([timeline, ancestors]) => {
    const parent = ancestors.at(-1);
    const span = path.find((one) => one.timeline === parent?.timeline);
    if (parent === undefined || span === undefined || path.some((one) => one.timeline === timeline))
      return [];
    const isOnWay = span.end === undefined || parent.end <= span.end;
    if (parent.end < parseLsn(backup.stopLsn) || !isOnWay) return [];
    return [`timeline ${timeline}, which left timeline ${parent.timeline} at ${formatLsn(parent.end)}`];
  });
  if (branches.length === 0) return [];
  const next = nextTimeline({ path, archive });
  return [
    `another server has gone on from here and archived: ${branches.join('; ')}; the restored server begins timeline ${next}`,
  ];
}

function filesBeyond(
  reached: number,
  { segments, histories }: ArchiveContents,
): { timeline: number; file: string }[] {
  const found = [...histories.keys()].map((timeline) => ({ timeline, file: historyFile(timeline) }));
  for (const file of segments) found.push({ timeline: Number.parseInt(file.slice(0, 8), 16), file });
  return found
    .filter(({ timeline }) => timeline > reached)
    .sort((a, b) => a.timeline - b.timeline || (a.file < b.file ? 1 : -1));
}

/** Another timeline that has newer data than the newest one; undefined: there is none. */
export async function rival(question: TimelineQuestion): Promise<HoldfastError | undefined> {
  const { wish, path } = question;
  const newest = path.at(-1);
  if (wish.timeline !== 'latest' || newest === undefined) return undefined;
  const other = newerBackup(question) ?? (await laterWal(question, newest.timeline));
  if (other === undefined || isCommonGround(question, other.timeline)) return undefined;
  const fork = path.find(({ timeline }) => timeline === other.timeline)?.end ?? newest.begin;
  return new HoldfastError(
    'failed',
    `timeline ${newest.timeline} is the newest, and does not have the newest data: it branched off at ${formatLsn(fork)}, and ${other.what}`,
    {
      code: 'which_timeline',
      hint: `say which one is meant: --target-timeline ${other.timeline} restores timeline ${other.timeline} with what was written to it since, --target-timeline ${newest.timeline} the other one`,
    },
  );
}

interface Other {
  timeline: number;
  what: string;
}

function newerBackup({ wish, path, backups }: TimelineQuestion): Other | undefined {
  const [newest] = backups.toSorted((a, b) => Date.parse(b.stoppedAt) - Date.parse(a.stoppedAt));
  if (newest === undefined || wish.target.kind === 'immediate' || leadsThrough(path, newest))
    return undefined;
  const { id, timeline, stoppedAt } = newest;
  return {
    timeline,
    what: `backup ${id} of timeline ${timeline}, which ended at ${stoppedAt}, is not on its way`,
  };
}

/** A timeline whose WAL, past where it was left, was archived later than the last of the newest one. */
async function laterWal(
  { wish, path, archive, clusterDirectory, backup }: TimelineQuestion,
  newest: number,
): Promise<Other | undefined> {
  if (wish.target.kind === 'immediate') return undefined;
  const lasts = lastSegments(archive.segments);
  const own = lasts.get(newest) ?? historyFile(newest);
  const ownTime = await timeOf(clusterDirectory, own);
  if (ownTime === undefined) return undefined;
  for (const [timeline, last] of lasts) {
    const end = path.find((span) => span.timeline === timeline)?.end;
    const size = backup.walSegmentSize;
    const isLeft = end !== undefined && parseSegmentName(last, size).number < end / BigInt(size);
    if (timeline === newest || isLeft) continue;
    const time = await timeOf(clusterDirectory, last);
    if (time !== undefined && time > ownTime)
      return {
        timeline,
        what: `${last} of timeline ${timeline} was archived at ${time.toISOString()}, later than its last file ${own} at ${ownTime.toISOString()}`,
      };
  }
  return undefined;
}

/** Up to where the two part, both have the same. */
function isCommonGround({ wish: { target }, path }: TimelineQuestion, other: number): boolean {
  const end = path.find(({ timeline }) => timeline === other)?.end;
  return target.kind === 'lsn' && end !== undefined && target.lsn <= end;
}

function lastSegments(segments: ReadonlySet<string>): Map<number, string> {
  const lasts = new Map<number, string>();
  for (const name of segments) {
    const timeline = Number.parseInt(name.slice(0, 8), 16);
    if (name > (lasts.get(timeline) ?? '')) lasts.set(timeline, name);
  }
  return lasts;
}

async function timeOf(clusterDirectory: string, file: string): Promise<Date | undefined> {
  const stats = await stat(archivedPath(clusterDirectory, file)).catch(() => undefined);
  return stats?.mtime;
}
