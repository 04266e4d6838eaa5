/**
 * Computes when an expression is due next, on the clock of a time zone. A due time that a change to
 * daylight-saving time skips is due at the moment of the change. A due time that occurs twice is due the
 * first time only. An expression for every hour is due every hour in both cases. Times are milliseconds since
 * 1970.
 */
import { parseCron, type Cron } from './cron.ts';
import { changeBetween, offsetAt } from './time-zone.ts';

const hour = 3_600_000;
const day = 24 * hour;
/** Years. A 29 February on a given weekday may be that far away. */
const years = 41;

/**
 * The first due time after `after`; undefined means never.
 * @throws Error where the expression or the time zone is wrong
 */
export function nextRun(expression: string, zone: string, after: number): number | undefined {
  const cron = parseCron(expression);
  const local = new Date(after + offsetAt(zone, after));
  // The search begins a day earlier: the clock may have been put back over midnight.
  let midnight = Date.UTC(local.getUTCFullYear(), local.getUTCMonth(), local.getUTCDate()) - day;
  const end = midnight + years * 366 * day;
  while (midnight < end) {
    const date = new Date(midnight);
    const [year, month] = [date.getUTCFullYear(), date.getUTCMonth() + 1];
    if (!cron.months.has(month)) {
      midnight = Date.UTC(year, month, 1);
      continue;
    }
    if (cron.fitsDay(year, month, date.getUTCDate())) {
      const found = firstOfDay(cron, zone, midnight, after);
      if (found !== undefined) return found;
    }
    midnight += day;
  }
  return undefined;
}

/** The last due time up to `now`. `from` is a due time, and the earliest possible result. */
export function latestRun(expression: string, zone: string, from: number, now: number): number {
  // The search goes backwards in growing steps, so that few due times are computed even after many missed
  // ones.
  for (let span = 60_000; now - span > from; span *= 8) {
    const found = nextRun(expression, zone, now - span);
    if (found !== undefined && found <= now) return lastFrom(expression, zone, found, now);
  }
  return lastFrom(expression, zone, from, now);
}

/** The last due time up to `now`, found by going forward from the due time `from`. */
function lastFrom(expression: string, zone: string, from: number, now: number): number {
  let last = from;
  for (;;) {
    const next = nextRun(expression, zone, last);
    if (next === undefined || next > now) return last;
    last = next;
  }
}

/**
 * The first due time after `after` on the day that begins at `midnight`. `midnight` is the local midnight, as
 * if the zone were UTC.
 */
function firstOfDay(cron: Cron, zone: string, midnight: number, after: number): number | undefined {
  const around = offsetAt(zone, midnight - offsetAt(zone, midnight));
  const [from, to] = [midnight - around - 3 * hour, midnight + day - around + 3 * hour];
  const [before, since] = [offsetAt(zone, from), offsetAt(zone, to)];
  if (before === since) {
    const time = firstTime(cron, after + before - midnight);
    return time === undefined ? undefined : midnight + time - before;
  }
  const change = changeBetween(zone, from, to);
  return firstOfChange(cron, { midnight, before, since, change }, after);
}

/** A day on which the offset of the time zone changes. */
interface Change {
  midnight: number;
  /** The offsets before and since the change, in milliseconds. */
  before: number;
  since: number;
  /** The moment of the change. */
  change: number;
}

/** The first due time on a day with a change of the offset. Every due time of the day is tried. */
function firstOfChange(cron: Cron, on: Change, after: number): number | undefined {
  const everyHour = cron.hours.length === 24;
  let first: number | undefined;
  for (let time = firstTime(cron, -1); time !== undefined; time = firstTime(cron, time)) {
    const found = momentsOf(on.midnight + time, on, everyHour).find((moment) => moment > after);
    if (found !== undefined && (first === undefined || found < first)) first = found;
  }
  return first;
}

/** The moments at which the local time `local` is due. */
function momentsOf(local: number, { before, since, change }: Change, everyHour: boolean): number[] {
  const early = local - before;
  const late = local - since;
  const shown = [...(early < change ? [early] : []), ...(late >= change ? [late] : [])];
  if (everyHour) return shown;
  return [shown[0] ?? change];
}

/** The first time of the day after `after`, in milliseconds since midnight; undefined if there is none. */
function firstTime({ hours, minutes, seconds }: Cron, after: number): number | undefined {
  const least = Math.floor(after / 1000) + 1;
  for (const atHour of hours) {
    if (atHour * 3600 + 3599 < least) continue;
    for (const atMinute of minutes) {
      const start = atHour * 3600 + atMinute * 60;
      if (start + 59 < least) continue;
      const second = seconds.find((one) => start + one >= least);
      if (second !== undefined) return (start + second) * 1000;
    }
  }
  return undefined;
}
