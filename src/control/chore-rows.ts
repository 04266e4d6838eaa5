/** Chores, as a worker reads and moves them. */
import { messageOf } from '../errors.ts';
import { ServerError, type Connection } from '../database/connection.ts';

export interface LiveChore {
  id: number;
  cluster: string;
  kind: string;
  state: 'requested' | 'running' | 'retrying';
  attempts: number;
  /** The run of the worker that has it, or had it last. */
  instance: string | null;
  /** It is running, and that worker's session is not here. */
  workerGone: boolean;
  /** Milliseconds until the next attempt; null: none is planned. */
  dueIn: number | null;
}

export interface BegunChore {
  id: number;
  cluster: string;
  kind: string;
  requestId: number | null;
  backup: string | null;
  options: Record<string, unknown>;
  attempt: number;
}

export interface ChoreFailure {
  code: string;
  message: string;
  hint: string | null;
}

/** What became of an attempt. */
export type ChoreResult = Record<string, unknown> | null;

/** Somebody else has the row of a chore locked. */
export class RowLocked extends Error {}

const lockNotAvailable = '55P03';

function explainLock(error: unknown): never {
  if (error instanceof ServerError && error.code === lockNotAvailable)
    throw new RowLocked(messageOf(error), { cause: error });
  throw error;
}

/** Those of these clusters that are not over, oldest first. */
export function liveChores(db: Connection, clusters: readonly string[]): Promise<LiveChore[]> {
  return db.run<LiveChore>('chore', 'live', { clusters });
}

/** Unless one of that cluster and kind is under way or waiting already. */
export async function requestChore(db: Connection, cluster: string, kind: string): Promise<boolean> {
  return (await db.run('chore', 'request', { cluster, kind })).length > 0;
}

/** undefined: somebody gave it up. @throws RowLocked */
export async function beginChore(
  db: Connection,
  id: number,
  worker: string,
  instance: string,
): Promise<BegunChore | undefined> {
  const [begun] = await db.run<BegunChore>('chore', 'begin', { id, worker, instance }).catch(explainLock);
  return begun;
}

/** Whether the attempt is still that worker's to end; its row is locked then. @throws RowLocked */
export async function holdChore(
  db: Connection,
  { id, instance, attempt }: { id: number; instance: string; attempt: number },
): Promise<boolean> {
  const held = await db.run('chore', 'hold', { id, instance, attempt }).catch(explainLock);
  return held.length > 0;
}

export async function completeChore(db: Connection, id: number, result: ChoreResult): Promise<void> {
  await db.run('chore', 'complete', { id, result: asJson(result) });
}

export async function failChore(
  db: Connection,
  id: number,
  failure: ChoreFailure,
  result: ChoreResult,
): Promise<void> {
  await db.run('chore', 'fail', { id, ...failure, result: asJson(result) });
}

export async function retryChore(
  db: Connection,
  { id, at, attempts }: { id: number; at: Date; attempts: number },
  failure: ChoreFailure,
  result: ChoreResult,
): Promise<void> {
  await db.run('chore', 'retry', { id, at, attempts, ...failure, result: asJson(result) });
}

/** Fails those that have not begun; returns their ids. */
export async function refuseChores(
  db: Connection,
  ids: readonly number[],
  failure: ChoreFailure,
): Promise<number[]> {
  const refused = await db.run<{ id: number }>('chore', 'refuse', { ids, ...failure });
  return refused.map(({ id }) => id);
}

function asJson(result: ChoreResult): string | null {
  return result === null ? null : JSON.stringify(result);
}
