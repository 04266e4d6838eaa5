/**
 * Requests what schedules say when it is due. The table is the truth: it is read at every notification of a change,
 * after a reconnect, every ten seconds, and when something is due by what was read last. Every step is one
 * transaction that only one of any number of workers can make; what one leaves behind, another finds.
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
import { decideSchedule, type ScheduleStep } from '../schedules/decide-schedule.ts';
import { PeriodicTask } from './periodic-task.ts';

export interface SchedulerOptions {
  control: ControlLink;
  clusters: readonly string[];
  log: Log;
}

/** Milliseconds: a tenth of a query a second. */
const lookEvery = 10_000;
/** Between two looks that notifications ask for, which anybody can send. */
const pause = 100;
/** Until a schedule is tried again that somebody has locked. */
const tryAgain = 1000;
/** A run is planned, fired and tended, one look each; more at once is left to the next time. */
const looksAtOnce = 5;

export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #service: PeriodicTask;
  #timer: NodeJS.Timeout | undefined;
  #lookedAt = -Infinity;
  #stopped = false;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#service = new PeriodicTask(lookEvery, () => this.#look(), options.log);
  }

  start(): void {
    this.#service.start();
  }

  /** Something may have changed. */
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
    for (let looks = 0; looks < looksAtOnce && !this.#stopped; looks += 1) {
      const schedules = await control.run((db) => schedulesOf(db, clusters));
      this.#lookedAt = performance.now();
      let busy = false;
      soonest = undefined;
      for (const schedule of schedules) {
        const step = decideSchedule(schedule);
        const next = step.step === 'wait' ? untilThen(step, schedule) : await this.#take(step, schedule);
        if (next === 0) busy = true;
        else if (next !== undefined) soonest = Math.min(next, soonest ?? Infinity);
      }
      if (!busy) break;
      soonest = 0;
    }
    clearTimeout(this.#timer);
    if (soonest !== undefined && soonest < lookEvery) this.#wakeIn(soonest);
  }

  /** In how many milliseconds to look again: at once where it is done. */
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
    this.#timer = setTimeout(() => this.#service.now(), Math.ceil(milliseconds));
  }
}

/** A moment after it is due: its clock is the database's, and timers may be early. */
function untilThen(
  { until }: Extract<ScheduleStep, { step: 'wait' }>,
  { now }: Schedule,
): number | undefined {
  return until === undefined ? undefined : Math.max(1, until - now) + 1;
}
