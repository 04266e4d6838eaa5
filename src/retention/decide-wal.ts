/**
 * Decides which files of a WAL archive expire, and why every other file stays. Pure.
 *
 * A backup that stays needs the WAL from its start to its stop. If recovery to a later time may begin with
 * the backup, all later WAL on the way to every needed timeline stays, too. All other WAL expires.
 */
import { isOnWay, lacksHistory, spansTo, type Histories } from '../postgres/timeline-history.ts';
import { parseSegmentName } from '../postgres/wal-segment.ts';
import type { ExpiryCandidate } from './expiry-candidate.ts';
import type { DecidedBackup } from './decide-backups.ts';
import { mayLeadTo } from './unknown-histories.ts';

/** WAL that is needed from one LSN on: by a running backup, or by a restored server. */
export interface OldestNeededWal {
  id: number;
  timeline: number;
  startLsn: bigint;
  /** Why the WAL is needed; undefined: a backup is running. */
  reason?: string;
  /** Whether a restored server reads the WAL, on the way to any timeline. */
  isRead?: boolean;
}

/** The input of decideWal(). */
export interface WalQuestion {
  /** Names of the archived files: segments, .partial, .backup and .history files. */
  files: readonly string[];
  histories: Histories;
  /** Backups of this system identifier that stay. */
  staying: readonly DecidedBackup[];
  underWay: readonly OldestNeededWal[];
  /** The timelines to which recovery has to stay possible; the newest timeline is last. */
  timelines: readonly number[];
  /** Bytes. */
  segmentSize: number;
}

/** The decision about one file. */
export interface DecidedWalFile {
  file: string;
  goes: boolean;
  reason: string;
}

/** A range of segments that has to stay. */
interface Need {
  timeline: number;
  /** Number of the first segment, see parseSegmentName(). */
  from: bigint;
  /** Number of the last segment, inclusive; undefined: without end. */
  to: bigint | undefined;
  reason: string;
}

/** Decides about each file. The result has the order of `files`. */
export function decideWal(question: WalQuestion): DecidedWalFile[] {
  const { files, staying, segmentSize } = question;
  if (staying.length === 0)
    return files.map((file) => ({
      file,
      goes: false,
      reason: 'there is no backup that could need it or not',
    }));
  const needs = byTimeline(needsOf(question));
  const decided = new Map(
    files
      .filter((file) => !isHistory(file))
      .map((file) => {
        const { timeline, number } = parseSegmentName(file.slice(0, 24), segmentSize);
        const need = needs
          .get(timeline)
          ?.find(({ from, to }) => from <= number && (to === undefined || number <= to));
        return [file, need];
      }),
  );
  const first = firstTimeline(question, decided);
  return files.map((file) => {
    const reason = isHistory(file) ? whyHistory(file, first) : decided.get(file)?.reason;
    return { file, goes: reason === undefined, reason: reason ?? 'no backup that stays needs it' };
  });
}

function needsOf({ files, staying, underWay, timelines, histories, segmentSize }: WalQuestion): Need[] {
  const segment = (lsn: bigint) => lsn / BigInt(segmentSize);
  const needs = staying.map(({ backup }): Need => ({
    timeline: backup.timeline,
    from: parseSegmentName(backup.startWal, segmentSize).number,
    to: parseSegmentName(backup.stopWal, segmentSize).number,
    reason: `backup ${backup.name} needs it by itself`,
  }));
  const begins = [
    ...staying.filter(({ rollsForward }) => rollsForward).map(({ backup }) => fromBackup(backup)),
    ...underWay.map(({ id, reason = `backup ${id} is being taken`, ...backup }) => ({
      ...backup,
      stopLsn: backup.startLsn,
      reason,
    })),
  ];
  for (const timeline of timelines) {
    const way = spansTo(timeline, histories);
    if (lacksHistory(timeline, histories))
      for (const begin of begins.filter((backup) => backup.timeline < timeline))
        needs.push(...onAnyWay(begin, timeline, { files, segmentSize }));
    const onWay = begins.filter((backup) => isOnWay(backup, way));
    // The path from the first backup passes all other backups.
    const [first] = onWay.sort((a, b) => (a.startLsn < b.startLsn ? -1 : 1));
    if (first === undefined) {
      if (timeline === timelines.at(-1))
        needs.push({
          timeline,
          from: 0n,
          to: undefined,
          reason: `no backup leads to timeline ${timeline} yet`,
        });
      continue;
    }
    const at = way.findIndex((stretch) => stretch.timeline === first.timeline);
    for (const { timeline: on, begin, end } of way.slice(at)) {
      needs.push({
        timeline: on,
        from: segment(begin > first.startLsn ? begin : first.startLsn),
        // Both timelines have the segment of the branch point. The segment of the older timeline is needed
        // until the segment of the newer timeline has been archived.
        to: end === undefined ? undefined : segment(end),
        reason: `${first.reason} on timeline ${timeline}`,
      });
    }
  }
  return needs;
}

/**
 * WAL for a timeline whose history file is missing, so that its ancestors are unknown. All timelines between
 * that of the backup and this timeline may be ancestors; their WAL stays from the start of the backup on.
 */
function onAnyWay(
  begin: { timeline: number; startLsn: bigint },
  to: number,
  { files, segmentSize }: Pick<WalQuestion, 'files' | 'segmentSize'>,
): Need[] {
  const timelines = new Set(files.map((file) => Number.parseInt(file.slice(0, 8), 16)));
  return [...timelines]
    .filter((timeline) => timeline >= begin.timeline && timeline <= to)
    .map((timeline) => ({
      timeline,
      from: begin.startLsn / BigInt(segmentSize),
      to: undefined,
      reason: `${mayLeadTo(to)} before it`,
    }));
}

function fromBackup(backup: ExpiryCandidate) {
  return { ...backup, reason: `recovery begins with backup ${backup.name}, and goes on` };
}

function byTimeline(needs: readonly Need[]): Map<number, Need[]> {
  const sorted = new Map<number, Need[]>();
  for (const need of needs) sorted.set(need.timeline, [...(sorted.get(need.timeline) ?? []), need]);
  return sorted;
}

function isHistory(file: string): boolean {
  return file.endsWith('.history');
}

/**
 * The first timeline whose history file stays. A server asks for the history files of the next timelines one
 * after the other, so no history file after the first one may be missing.
 */
function firstTimeline(
  { staying, underWay }: WalQuestion,
  decided: ReadonlyMap<string, Need | undefined>,
): number {
  const ofFiles = [...decided]
    .filter(([, need]) => need)
    .map(([file]) => Number.parseInt(file.slice(0, 8), 16));
  const ofBackups = [...staying.map(({ backup }) => backup), ...underWay].map(({ timeline }) => timeline);
  return [...ofFiles, ...ofBackups].reduce((a, b) => Math.min(a, b));
}

function whyHistory(file: string, first: number): string | undefined {
  const timeline = Number.parseInt(file.slice(0, 8), 16);
  return timeline < first ? undefined : `servers look for it, beginning with timeline ${first}`;
}
