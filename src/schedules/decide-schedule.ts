/** Decides the next step of a schedule. The functions are pure. */
import type { DueRun, PlannedRun, Schedule } from '../control/schedule-rows.ts';
import { messageOf } from '../errors.ts';
import { latestRun, nextRun } from './next-run.ts';

/**
 * The next step of a schedule. `tend` records the runs that have ended, and starts the runs that can start.
 */
export type ScheduleStep =
  | { step: 'plan'; planned: PlannedRun }
  | { step: 'fire'; firing: DueRun }
  | { step: 'tend' }
  /** No step before `until`, in milliseconds since 1970; undefined means until the schedule changes. */
  | { step: 'wait'; until: number | undefined };

/** Milliseconds. A run that is later than this was missed: see `catch_up`. */
export const scheduleGrace = 300_000;

/** The next step of a schedule, at the time `schedule.now`. */
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

/** The next run after a moment, or the problem that prevents one. */
function plan({ cron, timeZone }: Schedule, after: number): PlannedRun {
  try {
    const following = nextRun(cron, timeZone, after);
    if (following !== undefined) return { following, problem: null };
    return { following: null, problem: 'it is never due: no day fits' };
  } catch (error) {
    return { following: null, problem: `no worker could evaluate it: ${messageOf(error)}` };
  }
}

/** The run that is due now, and the next run. Of several missed runs, only the last one is due. */
function fire(schedule: Schedule, planned: number): DueRun {
  const { cron, timeZone, now } = schedule;
  const following = plan(schedule, now);
  const due = following.following === null ? planned : latestRun(cron, timeZone, planned, now);
  return { due, tooLate: now - due > scheduleGrace, ...following };
}
