/** Schedules, as workers read and advance them, and as the status command shows them. */
import type { Connection } from '../database/connection.ts';

/** A schedule for a worker. Times are milliseconds since 1970 by the clock of the control database. */
export interface Schedule {
  name: string;
  cron: string;
  timeZone: string;
  /** Changes whenever the schedule is changed. */
  revision: number;
  /** The next run is the first due time after this time. */
  plannedAfter: number;
  /** null: no further run, or the next run is not known. */
  nextRun: number | null;
  /** Why the schedule is paused or the next run is not known; null: no problem. */
  problem: string | null;
  enabled: boolean;
  /** The time at which the schedule was read. */
  now: number;
  /** When the first open run may start; null: no run is waiting to start. */
  startAt: number | null;
  /** Whether a run has ended, or can now start. */
  needsTending: boolean;
}

/** The next due time of a schedule. */
export interface PlannedRun {
  /** null: no further run, or the next run cannot be computed; `problem` says why. */
  following: number | null;
  problem: string | null;
}

/** A run that is due. */
export interface DueRun extends PlannedRun {
  /** The due time of the run. */
  due: number;
  /** Whether no worker was there for longer than the schedule allows. */
  tooLate: boolean;
}

/** The schedules of these clusters that a worker has to look at. */
export function schedulesOf(db: Connection, clusters: readonly string[]): Promise<Schedule[]> {
  return db.run<Schedule>('schedule', 'look', { clusters: [...clusters] });
}

/**
 * Plans the next run. Returns false if the schedule has changed meanwhile, or another worker was faster or is
 * working on the schedule. The functions below return false for the same reasons.
 */
export async function planSchedule(
  db: Connection,
  { name, revision }: Schedule,
  { following, problem }: PlannedRun,
): Promise<boolean> {
  const [row] = await db.run('schedule', 'plan', { name, revision, following, problem });
  return row?.done === true;
}

/** Makes a run for a due time, and plans the next run. */
export async function enqueueScheduleRun(
  db: Connection,
  { name, revision, nextRun }: Schedule,
  { due, tooLate, following, problem }: DueRun,
): Promise<boolean> {
  const values = { name, revision, planned: nextRun, due, too_late: tooLate, following, problem };
  const [row] = await db.run('schedule', 'fire', values);
  return row?.done === true;
}

/** Records the runs that have ended, and starts the runs that can start. */
export async function advanceSchedule(db: Connection, { name }: Schedule): Promise<boolean> {
  const [row] = await db.run('schedule', 'tend', { name });
  return row?.done === true;
}

/** A schedule for the status command. Ages are in seconds. */
export interface ScheduleStatus {
  name: string;
  cluster: string;
  kind: string;
  /** Whether its requests copy only what has changed. */
  incremental: boolean;
  cron: string;
  timeZone: string;
  owner: string;
  state: 'enabled' | 'disabled' | 'paused';
  nextRun: Date | null;
  /** Seconds until nextRun. */
  nextIn: number | null;
  lastRun: Date | null;
  lastSuccess: Date | null;
  lastSuccessAgo: number | null;
  /** The due time of the latest run that was not skipped. The three values below belong to this run. */
  lastDue: Date | null;
  lastState: string | null;
  lastRequest: number | null;
  lastError: string | null;
  /** Seconds for which an action of a worker is overdue. */
  late: number;
  /** Why the schedule is paused or the next run is not known; null: no problem. */
  problem: string | null;
}

/** All schedules, by name. */
export function schedules(db: Connection): Promise<ScheduleStatus[]> {
  return db.run<ScheduleStatus>('schedule', 'status', {}, { timeout: 30_000 });
}
