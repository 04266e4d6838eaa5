/**
 * The day, week and month of a time in a time zone, for the rules keep_daily, keep_weekly and keep_monthly.
 */
import { HoldfastError } from '../errors.ts';
import { offsetAt } from '../schedules/time-zone.ts';

/**
 * The day, such as 2026-11-21.
 * @throws HoldfastError `bad_time_zone`
 */
export function dayOf(moment: Date, timeZone: string): string {
  try {
    const local = moment.getTime() + offsetAt(timeZone, moment.getTime());
    return new Date(local).toISOString().slice(0, 10);
  } catch (error) {
    throw new HoldfastError('failed', `the time zone "${timeZone}" of the retention policy is unknown here`, {
      code: 'bad_time_zone',
      hint: 'give another one in retention_policy.time_zone, or run this with a Node.js that has all of ICU',
      cause: error,
    });
  }
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
