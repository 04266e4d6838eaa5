/**
 * The day, week and month of a time in a time zone, for the rules keep_daily, keep_weekly and keep_monthly.
 */
import { HoldfastError } from '../errors.ts';

/**
 * The day, such as 2026-11-21.
 * @throws HoldfastError `bad_time_zone`
 */
export function dayOf(moment: Date, timeZone: string): string {
  const parts = new Map(
    formatter(timeZone)
      .formatToParts(moment)
      .map(({ type, value }) => [type, value]),
  );
  return `${parts.get('year')?.padStart(4, '0')}-${parts.get('month')}-${parts.get('day')}`;
}

/**
 * The month, such as 2026-11.
 * @throws HoldfastError `bad_time_zone`
 */
export function monthOf(moment: Date, timeZone: string): string {
  return dayOf(moment, timeZone).slice(0, 7);
}

/**
 * The Monday of the week, such as 2026-11-16.
 * @throws HoldfastError `bad_time_zone`
 */
export function weekOf(moment: Date, timeZone: string): string {
  const day = new Date(`${dayOf(moment, timeZone)}T00:00:00Z`);
  day.setUTCDate(day.getUTCDate() - ((day.getUTCDay() + 6) % 7));
  return day.toISOString().slice(0, 10);
}

const formatters = new Map<string, Intl.DateTimeFormat>();

function formatter(timeZone: string): Intl.DateTimeFormat {
  const known = formatters.get(timeZone);
  if (known !== undefined) return known;
  try {
    const made = new Intl.DateTimeFormat('en-US', {
      timeZone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
    });
    formatters.set(timeZone, made);
    return made;
  } catch (error) {
    throw new HoldfastError('failed', `the time zone "${timeZone}" of the retention policy is unknown here`, {
      code: 'bad_time_zone',
      hint: 'give another one in retention_policy.time_zone, or run this with a Node.js that has all of ICU',
      cause: error,
    });
  }
}
