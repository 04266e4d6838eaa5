/**
 * Makes the requests of schedules when they are due. The table is authoritative: the scheduler reads the
 * table at every notification of a change, after a reconnect, every ten seconds (thirty without schedules), and
 * when the earliest known run is due. Every step is one transaction that only one of any number of workers can
 * make. If a worker dies, another worker makes the remaining steps.
 */
import type { ControlLink } from '../control/control-link.ts';
import {
  enqueueScheduleRun,
  planSchedule,
  schedulesOf,
  advanceSchedule,
  type Schedule,
} from '../control/schedule-rows.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { decideSchedule, ScheduleStep } from '../schedules/decide-schedule.ts';
import { PeriodicTask } from './periodic-task.ts';

/** The options of the scheduler. */
export interface SchedulerOptions {
  control: ControlLink;
  clusters: readonly string[];
  log: Log;
}

/** Milliseconds between two looks where there is no schedule. */
const lookEvery = 30_000;
/** Milliseconds between two looks where there are schedules. */
const lookAtSchedules = 10_000;
/** Milliseconds between two looks that notifications ask for. Any role can send notifications. */
const pause = 100;
/** Milliseconds until a schedule is tried again whose row another session has locked. */
const tryAgain = 1000;
/**
 * Looks in a row. A run is planned, fired and advanced in one look each; further steps wait for the timer.
 */
const looksAtOnce = 5;

/** The schedules of a worker's clusters. */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #service: PeriodicTask;
  #timer: NodeJS.Timeout | undefined;
  /** Loaded with the first schedule. */
  #decide: typeof decideSchedule | undefined;
  /** From `performance.now()`. */
  #lookedAt = -Infinity;
  #stopped = false;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#service = new PeriodicTask(lookEvery, () => this.#look(), options.log, 0); // timers are exact: see wake
  }

  start(): void {
    this.#service.start();
  }

  /** Looks now, or after `pause`: a schedule may have changed. */
  wake(): void {
    if (this.#stopped) return;
    const since = performance.now() - this.#lookedAt;
    if (since >= pause) this.#service.now();
    else this.#wakeIn(pause - since);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#service.stop();
  }

  async #look(): Promise<void> {
    const { control, clusters } = this.#options;
    let soonest: number | undefined;
    this.#wakeIn(lookAtSchedules); // where this look fails
    for (let looks = 0; looks < looksAtOnce && !this.#stopped; looks += 1) {
      const schedules = await control.run((db) => schedulesOf(db, clusters));
      this.#lookedAt = performance.now();
      let busy = false;
      soonest = undefined;
      if (schedules.length === 0) return clearTimeout(this.#timer); // node-cron is loaded where there are schedules
      if (this.#decide === undefined) {
        this.#decide = (await import('../schedules/decide-schedule.ts')).decideSchedule;
        soonest = 0; // the time that came with the schedules is older than the import takes
        continue;
      }
      for (const schedule of schedules) {
        const step = this.#decide(schedule);
        const next = step.step === 'wait' ? untilThen(step, schedule) : await this.#take(step, schedule);
        if (next === 0) busy = true;
        else if (next !== undefined) soonest = Math.min(next, soonest ?? Infinity);
      }
      if (!busy) break;
      soonest = 0;
    }
    this.#wakeIn(Math.min(soonest ?? Infinity, lookAtSchedules));
  }

  /** Makes one step of a schedule. Returns the milliseconds until the next look; 0 if the step was made. */
  async #take(step: Exclude<ScheduleStep, { step: 'wait' }>, schedule: Schedule): Promise<number> {
    const { control, log } = this.#options;
    if (this.#stopped) return tryAgain;
    try {
      const done = await control.tryOnce((db) => {
        if (step.step === 'plan') return planSchedule(db, schedule, step.planned);
        if (step.step === 'fire') return enqueueScheduleRun(db, schedule, step.firing);
        return advanceSchedule(db, schedule);
      });
      if (done && step.step === 'fire') log.info('a schedule is due', { schedule: schedule.name });
      return done ? 0 : tryAgain;
    } catch (error) {
      log.warning('will try a schedule again', { schedule: schedule.name, reason: messageOf(error) });
      return tryAgain;
    }
  }

  #wakeIn(milliseconds: number): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    this.#timer = setTimeout(() => this.#service.now(), Math.ceil(milliseconds));
  }
}

/**
 * Milliseconds until a schedule is due, plus one: the clock is that of the control database, and timers may
 * fire early. undefined if no run is planned.
 */
function untilThen(
  { until }: Extract<ScheduleStep, { step: 'wait' }>,
  { now }: Schedule,
): number | undefined {
  return until === undefined ? undefined : Math.max(1, until - now) + 1;
}
