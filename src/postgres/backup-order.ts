/**
 * Which of two backups is the newer one. Pure.
 *
 * Along one history that is the one with more of it, whatever the clocks were by which they were dated. Where neither
 * lies on the way to the other, or they are of different systems, there is nothing but their dates.
 */
import { isOnWay, spansTo, type Histories, type TimelineSpan } from './timeline-history.ts';

export interface OrderedBackup {
  id: number;
  systemIdentifier: string;
  timeline: number;
  stopLsn: bigint;
  stoppedAt: Date;
}

interface Known {
  /** Of that system. */
  histories: Histories;
  systemIdentifier: string | undefined;
}

export function newestFirst<T extends OrderedBackup>(backups: readonly T[], known: Known): T[] {
  const precedes = precedence(known);
  return [...Map.groupBy(backups, (backup) => backup.systemIdentifier)]
    .flatMap(([system, ofOne]) =>
      datedInOrder(inOrder(ofOne, precedes)).map((one, rank) => ({ ...one, system, rank })),
    )
    .sort((a, b) => b.at - a.at || (a.system === b.system ? b.rank - a.rank : a.system < b.system ? 1 : -1))
    .map(({ backup }) => backup);
}

/**
 * Since when each of them is there, at the earliest: what it lies behind was there before. One that was made while a clock
 * was behind looks older than it is.
 */
export function endsOf<T extends OrderedBackup & { isAhead?: boolean }>(
  backups: readonly T[],
  known: Known,
): (backup: T) => Date {
  const precedes = precedence(known);
  const dated = backups.filter(({ isAhead }) => isAhead !== true);
  const ends = new Map(
    dated.map((backup) => {
      const before = dated.filter((other) => precedes(other, backup));
      return [backup, new Date(Math.max(...[backup, ...before].map(({ stoppedAt }) => stoppedAt.getTime())))];
    }),
  );
  return (backup) => ends.get(backup) ?? backup.stoppedAt;
}

function precedence({ histories, systemIdentifier }: Known): (a: OrderedBackup, b: OrderedBackup) => boolean {
  const ways = new Map<number, readonly TimelineSpan[]>();
  const wayTo = (timeline: number) => {
    const way = ways.get(timeline) ?? spansTo(timeline, histories);
    ways.set(timeline, way);
    return way;
  };
  return (a, b) => {
    if (a.systemIdentifier !== b.systemIdentifier) return false;
    if (a.timeline === b.timeline) return compareOnTimeline(a, b) < 0;
    return a.systemIdentifier === systemIdentifier && isOnWay(a, wayTo(b.timeline));
  };
}

/** Oldest first: always the one with the earliest date of those that no other one precedes. */
function inOrder<T extends OrderedBackup>(backups: readonly T[], precedes: (a: T, b: T) => boolean): T[] {
  const rest = backups.toSorted(
    (a, b) => a.stoppedAt.getTime() - b.stoppedAt.getTime() || compareOnTimeline(a, b),
  );
  const found: T[] = [];
  while (rest.length > 0) {
    const next = rest.findIndex((one) => !rest.some((other) => precedes(other, one)));
    found.push(...rest.splice(Math.max(next, 0), 1)); // histories that contradict each other precede each other
  }
  return found;
}

/** To be held against other systems: with the dates of all, in order, one wrong date moves no other one far. */
function datedInOrder<T extends OrderedBackup>(oldestFirst: readonly T[]): { backup: T; at: number }[] {
  const dates = oldestFirst.map(({ stoppedAt }) => stoppedAt.getTime()).sort((a, b) => a - b);
  return oldestFirst.map((backup, rank) => ({ backup, at: dates[rank] ?? 0 }));
}

function compareOnTimeline(a: OrderedBackup, b: OrderedBackup): number {
  return Number(a.stopLsn - b.stopLsn) || a.id - b.id;
}
