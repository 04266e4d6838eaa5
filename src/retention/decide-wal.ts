/**
 * Which files of a WAL archive go, and why each other one stays. Pure.
 *
 * A backup that stays needs the WAL from its start to its stop. One with which recovery to a later moment may begin
 * needs all that follows, too, along every timeline that is to be reached. Everything else goes.
 */
import { isOnWay, spansTo, type Histories } from '../postgres/timeline-history.ts';
import { parseSegmentName } from '../postgres/wal-segment.ts';
import type { ExpiryCandidate } from './expiry-candidate.ts';
import type { DecidedBackup } from './decide-backups.ts';
import { isUnknown, mayLeadTo } from './unknown-histories.ts';

/** A backup that is being taken. */
export interface OldestNeededWal {
  id: number;
  timeline: number;
  startLsn: bigint;
  /** Why it needs what follows; without one, it is being taken. */
  reason?: string;
}

export interface WalQuestion {
  /** As PostgreSQL knows the files: segments, .partial, .backup, .history. */
  files: readonly string[];
  histories: Histories;
  /** Of this system. */
  staying: readonly DecidedBackup[];
  underWay: readonly OldestNeededWal[];
  /** The timelines that are to be reached; the newest one comes last. */
  timelines: readonly number[];
  /** Bytes. */
  segmentSize: number;
}

export interface DecidedWalFile {
  file: string;
  goes: boolean;
  reason: string;
}

interface Need {
  timeline: number;
  from: bigint;
  /** Included; undefined: to the end. */
  to: bigint | undefined;
  reason: string;
}

/** In the order in which they are given. */
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
    if (isUnknown(timeline, histories))
      for (const begin of begins.filter((backup) => backup.timeline < timeline))
        needs.push(...onAnyWay(begin, timeline, { files, segmentSize }));
    const onWay = begins.filter((backup) => isOnWay(backup, way));
    // The way from the first one passes all the others.
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
        // Where a timeline was left, both have that segment: the older one until the newer one is archived.
        to: end === undefined ? undefined : segment(end),
        reason: `${first.reason} on timeline ${timeline}`,
      });
    }
  }
  return needs;
}

/** Where nobody knows which timelines lead to it: all from the backup's on, from where that begins. */
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

/** A server looks for the histories of the next timelines one after the other: the row must have no gap. */
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
