/** Schedules, as workers and as people see them. */
import type { Connection } from '../database/connection.ts';

/** All times are milliseconds since 1970 on the control database's clock. */
export interface Schedule {
  name: string;
  cron: string;
  timeZone: string;
  /** Changes with every change of it. */
  revision: number;
  /** Its next run is the first one after this. */
  plannedAfter: number;
  nextRun: number | null;
  problem: string | null;
  enabled: boolean;
  /** The database's clock when it was read. */
  now: number;
  /** When the first of its runs may start that is not over; null: there is none. */
  startAt: number | null;
  /** A run has ended, or waits for nothing any more. */
  needsTending: boolean;
}

export interface PlannedRun {
  /** Null: never, or not to be computed; `problem` says why. */
  following: number | null;
  problem: string | null;
}

export interface DueRun extends PlannedRun {
  due: number;
  /** No worker was there for longer than may be. */
  tooLate: boolean;
}

export function schedulesOf(db: Connection, clusters: readonly string[]): Promise<Schedule[]> {
  return db.run<Schedule>('schedule', 'look', { clusters: [...clusters] });
}

/** False where the schedule has changed meanwhile, or another worker was quicker, or has it in hand: as below. */
export async function planSchedule(
  db: Connection,
  { name, revision }: Schedule,
  { following, problem }: PlannedRun,
): Promise<boolean> {
  const [row] = await db.run('schedule', 'plan', { name, revision, following, problem });
  return row?.done === true;
}

/** Makes a run for a due time, and notes the next one. */
export async function enqueueScheduleRun(
  db: Connection,
  { name, revision, nextRun }: Schedule,
  { due, tooLate, following, problem }: DueRun,
): Promise<boolean> {
  const values = { name, revision, planned: nextRun, due, too_late: tooLate, following, problem };
  const [row] = await db.run('schedule', 'fire', values);
  return row?.done === true;
}

/** Writes down what has ended, and starts what can start. */
export async function advanceSchedule(db: Connection, { name }: Schedule): Promise<boolean> {
  const [row] = await db.run('schedule', 'tend', { name });
  return row?.done === true;
}

/** For people; ages are in seconds. */
export interface ScheduleStatus {
  name: string;
  cluster: string;
  kind: string;
  cron: string;
  timeZone: string;
  owner: string;
  state: 'enabled' | 'disabled' | 'paused';
  nextRun: Date | null;
  nextIn: number | null;
  lastRun: Date | null;
  lastSuccess: Date | null;
  lastSuccessAgo: number | null;
  /** Of the latest run that was not left out. */
  lastDue: Date | null;
  lastState: string | null;
  lastRequest: number | null;
  lastError: string | null;
  /** For how long a worker should have done something that it has not. */
  late: number;
  /** Why it is paused, or not known when it is due. */
  problem: string | null;
}

export function schedules(db: Connection): Promise<ScheduleStatus[]> {
  return db.run<ScheduleStatus>('schedule', 'status', {}, { timeout: 30_000 });
}
