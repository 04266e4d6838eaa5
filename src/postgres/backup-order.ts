/**
 * Decides which of two backups is newer. Pure.
 *
 * On one history, the backup with more WAL is newer, whatever their dates: clocks may have been wrong. Backups of
 * different systems, or of branches of which neither contains the other, are compared by date.
 */
import { isOnWay, spansTo, type Histories, type TimelineSpan } from './timeline-history.ts';

/** The fields of a backup that are compared. */
export interface OrderedBackup {
  id: number;
  systemIdentifier: string;
  timeline: number;
  stopLsn: bigint;
  stoppedAt: Date;
}

interface Known {
  /** The timeline histories of the system `systemIdentifier`. */
  histories: Histories;
  systemIdentifier: string | undefined;
}

/** Sorts backups, newest first. */
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
 * Returns a function with the time since when a backup exists, at the earliest: the latest of its own date and the
 * dates of all backups that precede it. The date of a backup made while a clock was behind is too early. Backups with
 * `isAhead` keep their own date, and do not count for others.
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

/** Sorts oldest first: of the backups that no other backup precedes, the one with the earliest date comes next. */
function inOrder<T extends OrderedBackup>(backups: readonly T[], precedes: (a: T, b: T) => boolean): T[] {
  const rest = backups.toSorted(
    (a, b) => a.stoppedAt.getTime() - b.stoppedAt.getTime() || compareOnTimeline(a, b),
  );
  const found: T[] = [];
  while (rest.length > 0) {
    const next = rest.findIndex((one) => !rest.some((other) => precedes(other, one)));
    // with contradictory histories, backups precede each other
    found.push(...rest.splice(Math.max(next, 0), 1));
  }
  return found;
}

/**
 * Assigns the sorted dates to the sorted backups, to compare them with backups of other systems. One wrong date then
 * moves no other backup far.
 */
function datedInOrder<T extends OrderedBackup>(oldestFirst: readonly T[]): { backup: T; at: number }[] {
  const dates = oldestFirst.map(({ stoppedAt }) => stoppedAt.getTime()).sort((a, b) => a - b);
  return oldestFirst.map((backup, rank) => ({ backup, at: dates[rank] ?? 0 }));
}

function compareOnTimeline(a: OrderedBackup, b: OrderedBackup): number {
  return Number(a.stopLsn - b.stopLsn) || a.id - b.id;
}
