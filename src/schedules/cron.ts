/**
 * Cron expressions. No other file imports node-cron. node-cron defines the valid expressions and the days
 * that they fit. The next run that node-cron computes uses the clock of this host and omits a time that a
 * change to daylight-saving time skips, so next-run.ts computes the next run instead.
 */
import { createTask, parse as fieldsOf, validate } from 'node-cron';

/** A parsed expression. The lists are sorted. */
export interface Cron {
  seconds: readonly number[];
  minutes: readonly number[];
  hours: readonly number[];
  /** From 1. */
  months: ReadonlySet<number>;
  /** Whether the expression fits a day of the calendar, in any time zone. Months count from 1. */
  fitsDay(year: number, month: number, day: number): boolean;
}

const known = new Map<string, Cron>();
/** The most parsed expressions that are kept. */
const mostKnown = 1000;

/** Parses an expression. @throws Error where the expression is wrong */
export function parseCron(expression: string): Cron {
  const cron = known.get(expression) ?? parse(expression);
  if (known.size >= mostKnown) known.clear();
  known.set(expression, cron);
  return cron;
}

/** Whether an expression is valid. */
export function isCron(expression: string): boolean {
  return validate(expression);
}

function parse(expression: string): Cron {
  const { second, minute, hour, month } = fieldsOf(expression);
  const [seconds, minutes, hours] = [sorted(second), sorted(minute), sorted(hour)];
  const task = createTask(expression, () => undefined, { timezone: 'UTC' });
  void task.destroy(); // removes the task from the list of node-cron; task.match() still works
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
