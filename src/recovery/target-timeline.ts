/**
 * Checks whether recovery would follow the timeline that the user means. PostgreSQL asks for the history
 * files of the next timelines one after the other, and follows the newest timeline found. A missing history
 * file ends this search too early. The newest timeline may also be an accident: a restored copy that was
 * promoted, and archived once.
 */
import { stat } from 'node:fs/promises';
import { HoldfastError } from '../errors.ts';
import { formatLsn, parseLsn } from '../postgres/lsn.ts';
import {
  historyFile,
  isOnWay,
  lacksHistory,
  traceOf,
  type TimelineSpan,
} from '../postgres/timeline-history.ts';
import { parseSegmentName } from '../postgres/wal-segment.ts';
import { archivedPath } from '../repository/wal-archive.ts';
import { leadsThrough, type BackupCandidate, type SelectionCriteria } from './select-backup.ts';
import { newestTimeline } from './newest-timeline.ts';
import { lastWritten, type WrittenTime } from './wal-times.ts';
import type { ArchiveContents } from '../repository/archive-content.ts';

/** The restore whose timeline is checked. */
export interface TimelineQuestion {
  wish: SelectionCriteria;
  /** The backup that is restored. */
  backup: BackupCandidate & { walSegmentSize: number };
  /** The timelines of recovery, oldest first. */
  path: readonly TimelineSpan[];
  archive: ArchiveContents;
  /** All backups of the cluster. */
  backups: readonly BackupCandidate[];
  clusterDirectory: string;
}

/**
 * Requires the history file of a timeline that the user asks for by number.
 * @throws HoldfastError `history_missing`
 */
export function requireHistory({ timeline }: SelectionCriteria, { histories }: ArchiveContents): void {
  if (typeof timeline !== 'number' || !lacksHistory(timeline, histories)) return;
  throw new HoldfastError('failed', `the archive does not have ${historyFile(timeline)}`, {
    code: 'history_missing',
    hint: `archive that file ("holdfast wal push FILE"): every server that has been on timeline ${timeline} has it in pg_wal`,
  });
}

/**
 * An error about archived files of later timelines that recovery would not find; undefined if there are none.
 */
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
      hint: `archive ${missing} ("holdfast wal push FILE"), or give the timeline: --target-timeline ${reached} ends there, --target-timeline ${found.timeline} goes on where the archive has its history`,
    },
  );
}

/**
 * The ID of the timeline that the restored server begins. The server takes the first ID without a history
 * file.
 */
export function nextTimeline({ path, archive }: Pick<TimelineQuestion, 'path' | 'archive'>): number {
  return newestTimeline(path.at(-1)?.timeline ?? 0, archive.histories) + 1;
}

/**
 * Reports archived files of timelines whose history files are lost, although the server asks for these files.
 * Timelines after the one that the server begins are not considered.
 */
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

/**
 * Reports timelines that branched off the path of recovery after the backup: other restored copies, or
 * promoted standbys.
 */
export function branchesOff({ backup, path, archive }: TimelineQuestion): string[] {
  const branches = [...archive.histories].flatMap(([timeline, ancestors]) => {
    const parent = ancestors.at(-1);
    if (parent === undefined || path.some((one) => one.timeline === timeline)) return [];
    const isLater = parent.end >= parseLsn(backup.stopLsn);
    if (!isLater || !isOnWay({ timeline: parent.timeline, stopLsn: parent.end }, path)) return [];
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

/** An error about another timeline with newer data than the newest timeline; undefined if there is none. */
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
      hint: `give --target-timeline ${other.timeline} for timeline ${other.timeline} with what was written to it since, or --target-timeline ${newest.timeline} for the other timeline`,
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

/**
 * Finds a timeline that was written to after its branch point, later than the newest timeline. Where the WAL of one of the
 * two says no time, the files' own times decide.
 */
async function laterWal(
  { wish, path, archive, clusterDirectory, backup }: TimelineQuestion,
  newest: number,
): Promise<Other | undefined> {
  if (wish.target.kind === 'immediate') return undefined;
  const size = backup.walSegmentSize;
  const timelines = byTimeline(archive.segments);
  const seen = (timeline: number) =>
    lastSeen(clusterDirectory, timeline, timelines.get(timeline) ?? [], size);
  const beyond = [...timelines].filter(([timeline, segments]) => {
    const end = path.find((span) => span.timeline === timeline)?.end;
    const isLeft = end !== undefined && segments.every((name) => numberOf(name, size) < end / BigInt(size));
    return timeline !== newest && !isLeft;
  });
  if (beyond.length === 0) return undefined;
  const own = await seen(newest);
  for (const [timeline] of beyond) {
    const other = await seen(timeline);
    const isWritten = own.written !== undefined && other.written !== undefined;
    const [one, its] = isWritten ? [own.written, other.written] : [own.archived, other.archived];
    if (one === undefined || its === undefined || its.at <= one.at) continue;
    const how = isWritten ? 'written to' : 'archived';
    return {
      timeline,
      what: `${its.segment} of timeline ${timeline} was ${how} at ${its.at.toISOString()}, later than its last file ${one.segment} at ${one.at.toISOString()}`,
    };
  }
  return undefined;
}

interface LastSeen {
  written: WrittenTime | undefined;
  /** By the time of the file, where there is one. */
  archived: WrittenTime | undefined;
}

async function lastSeen(
  clusterDirectory: string,
  timeline: number,
  segments: readonly string[],
  segmentSize: number,
): Promise<LastSeen> {
  const last = segments.toSorted().at(-1) ?? historyFile(timeline);
  const stats = await stat(archivedPath(clusterDirectory, last)).catch(() => undefined);
  return {
    written: await lastWritten(clusterDirectory, segments, segmentSize),
    archived: stats && { segment: last, at: stats.mtime },
  };
}

/** Whether the target is an LSN before the branch point, where both timelines have the same WAL. */
function isCommonGround({ wish: { target }, path }: TimelineQuestion, other: number): boolean {
  const end = path.find(({ timeline }) => timeline === other)?.end;
  return target.kind === 'lsn' && end !== undefined && target.lsn <= end;
}

function byTimeline(segments: ReadonlySet<string>): Map<number, string[]> {
  const found = new Map<number, string[]>();
  for (const name of segments) {
    const timeline = Number.parseInt(name.slice(0, 8), 16);
    const names = found.get(timeline);
    if (names === undefined) found.set(timeline, [name]);
    else names.push(name);
  }
  return found;
}

function numberOf(segment: string, size: number): bigint {
  return parseSegmentName(segment, size).number;
}
