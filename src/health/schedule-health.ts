/** Health of a schedule, by pure functions. */
import type { Finding, Severity } from './findings.ts';
import type { ScheduleStatus } from '../control/schedule-rows.ts';

/** Seconds. A shorter absence of all workers gives no warning. */
const overdue = 300;

/** Returns warnings, or one finding that all is well. `age`: formats seconds. */
export function scheduleFindings(schedule: ScheduleStatus, age: (seconds: number) => string): Finding[] {
  const { name, state, problem, late, nextIn, lastSuccessAgo } = schedule;
  const say = (severity: Severity, message: string): Finding => ({
    severity,
    object: `schedule ${name}`,
    message,
  });
  if (state === 'disabled') return [say('ok', 'disabled')];
  if (state === 'paused') return [say('warning', `paused, since a run failed: ${problem}`)];
  const wrong = [
    problem ?? (late > overdue ? `overdue for ${age(late)}: no worker acts on it` : undefined),
    lastRun(schedule),
  ].filter((message) => message !== undefined);
  if (wrong.length > 0) return wrong.map((message) => say('warning', message));
  const success = lastSuccessAgo === null ? 'no success yet' : `last success ${age(lastSuccessAgo)} ago`;
  return [say('ok', nextIn === null ? success : `${success}, next run in ${age(Math.max(0, nextIn))}`)];
}

const outcomes: Record<string, string> = {
  failed: 'failed',
  retrying: 'failed and is tried again',
  missed: 'was missed',
};

/** The finding for the last run; undefined: the last run has no problem. */
function lastRun({ lastState, lastDue, lastError }: ScheduleStatus): string | undefined {
  const outcome = outcomes[lastState ?? ''];
  if (outcome === undefined || lastDue === null) return undefined;
  const due = lastDue.toISOString().replace(/\.\d+Z$/, 'Z');
  return `its last run, due at ${due}, ${outcome}: ${lastError ?? 'no reason is known'}`;
}
