/**
 * Cron expressions, and the only importer of node-cron. Which expressions there are and which days they mean is
 * node-cron's to say; its own next run goes by this host's clock and leaves out a time that a change of the clocks
 * skips, so that is computed in next-run.ts.
 */
import { createTask, parse as fieldsOf, validate } from 'node-cron';

export interface Cron {
  seconds: readonly number[];
  minutes: readonly number[];
  hours: readonly number[];
  months: ReadonlySet<number>;
  /** Of the calendar, whatever the time zone; months count from 1. */
  fitsDay(year: number, month: number, day: number): boolean;
}

const known = new Map<string, Cron>();
const mostKnown = 1000;

/** @throws Error saying what is wrong with it */
export function parseCron(expression: string): Cron {
  const cron = known.get(expression) ?? parse(expression);
  if (known.size >= mostKnown) known.clear();
  known.set(expression, cron);
  return cron;
}

export function isCron(expression: string): boolean {
  return validate(expression);
}

function parse(expression: string): Cron {
  const { second, minute, hour, month } = fieldsOf(expression);
  const [seconds, minutes, hours] = [sorted(second), sorted(minute), sorted(hour)];
  const task = createTask(expression, () => undefined, { timezone: 'UTC' });
  void task.destroy(); // it stays able to match, and is kept in no list
  return {
    seconds,
    minutes,
    hours,
    months: new Set(month),
    fitsDay: (year, inMonth, day) =>
      task.match(new Date(Date.UTC(year, inMonth - 1, day, hours[0], minutes[0], seconds[0]))),
  };
}

function sorted(values: readonly number[]): number[] {
  return [...new Set(values)].sort((a, b) => a - b);
}
