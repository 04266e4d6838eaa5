/** What is to be done about a schedule at this moment: pure. */
import type { DueRun, PlannedRun, Schedule } from '../control/schedule-rows.ts';
import { messageOf } from '../errors.ts';
import { latestRun, nextRun } from './next-run.ts';

export type ScheduleStep =
  | { step: 'plan'; planned: PlannedRun }
  | { step: 'fire'; firing: DueRun }
  | { step: 'tend' }
  /** Nothing, until that moment; undefined: until it changes. */
  | { step: 'wait'; until: number | undefined };

/** Milliseconds. What is later than this was missed: see catch_up. */
export const scheduleGrace = 300_000;

export function decideSchedule(schedule: Schedule): ScheduleStep {
  const { enabled, nextRun: next, startAt, now, needsTending, problem } = schedule;
  if (enabled && next === null) {
    const planned = plan(schedule, schedule.plannedAfter);
    if (planned.following !== null || planned.problem !== problem) return { step: 'plan', planned };
  }
  if (enabled && next !== null && next <= now) return { step: 'fire', firing: fire(schedule, next) };
  if (needsTending || (startAt !== null && startAt <= now)) return { step: 'tend' };
  const moments = [enabled ? next : null, startAt].filter((moment) => moment !== null);
  return { step: 'wait', until: moments.length === 0 ? undefined : Math.min(...moments) };
}

/** The next run after that moment, or why there is none. */
function plan({ cron, timeZone }: Schedule, after: number): PlannedRun {
  try {
    const following = nextRun(cron, timeZone, after);
    if (following !== undefined) return { following, problem: null };
    return { following: null, problem: 'it is never due: no day fits' };
  } catch (error) {
    return { following: null, problem: `no worker could evaluate it: ${messageOf(error)}` };
  }
}

function fire(schedule: Schedule, planned: number): DueRun {
  const { cron, timeZone, now } = schedule;
  const following = plan(schedule, now);
  const due = following.following === null ? planned : latestRun(cron, timeZone, planned, now);
  return { due, tooLate: now - due > scheduleGrace, ...following };
}
