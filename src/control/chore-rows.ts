/** Chores, as workers read and move them. */
import { HoldfastError, messageOf } from '../errors.ts';
import { ServerError, type Connection } from '../database/connection.ts';
import type { RecordedBackup } from '../repository/recorded-backup.ts';

/** A chore that is not over. */
export interface LiveChore {
  id: number;
  cluster: string;
  kind: string;
  state: 'requested' | 'running' | 'retrying';
  attempts: number;
  /** The instance of the worker that runs the chore or ran the chore last; null: none yet. */
  instance: string | null;
  /** Whether the chore is running and its worker has no session on this database. */
  workerGone: boolean;
  /** Milliseconds until the next attempt; null: no attempt is planned. */
  dueIn: number | null;
}

/** A chore at the start of an attempt. */
export interface BegunChore {
  id: number;
  cluster: string;
  kind: string;
  /** The request that the chore is about; null: none. */
  requestId: number | null;
  /**
   * What that request has recorded of its backup; null: the chore names no request, or the request has been pruned
   * since.
   */
  recorded: RecordedBackup | null;
  /** Name of the backup in the repository; null: none was given. */
  backup: string | null;
  options: Record<string, unknown>;
  /** Number of the attempt, from 1. */
  attempt: number;
}

/** The error of an attempt. */
export interface ChoreFailure {
  code: string;
  message: string;
  hint: string | null;
}

/** What to record of an error. */
export function choreFailure(error: unknown): ChoreFailure {
  const code = error instanceof HoldfastError ? error.code : 'failed';
  const hint = error instanceof HoldfastError ? (error.hint ?? null) : null;
  return { code, message: messageOf(error), hint };
}

/** The result of an attempt; null: none. */
export type ChoreResult = Record<string, unknown> | null;

/** Another session has locked the row of the chore. */
export class RowLocked extends Error {}

const lockNotAvailable = '55P03';

function explainLock(error: unknown): never {
  if (error instanceof ServerError && error.code === lockNotAvailable)
    throw new RowLocked(messageOf(error), { cause: error });
  throw error;
}

/** Ignores RowLocked: the next read of the table handles the row, and the other chores do not wait. */
export function unlessLocked(error: unknown): undefined {
  if (error instanceof RowLocked) return undefined;
  throw error;
}

/** The chores of these clusters that are not over, oldest first. */
export function liveChores(db: Connection, clusters: readonly string[]): Promise<LiveChore[]> {
  return db.run<LiveChore>('chore', 'live', { clusters });
}

/** Requests a chore. Returns false if a chore of this cluster and kind is running or waiting already. */
export async function requestChore(db: Connection, cluster: string, kind: string): Promise<boolean> {
  return (await db.run('chore', 'request', { cluster, kind })).length > 0;
}

/** Begins an attempt; undefined: the chore was given up. @throws RowLocked */
export async function beginChore(
  db: Connection,
  id: number,
  worker: string,
  instance: string,
): Promise<BegunChore | undefined> {
  const [begun] = await db.run<BegunChore>('chore', 'begin', { id, worker, instance }).catch(explainLock);
  return begun;
}

/** Locks the row and returns whether the attempt still belongs to this worker. @throws RowLocked */
export async function holdChore(
  db: Connection,
  { id, instance, attempt }: { id: number; instance: string; attempt: number },
): Promise<boolean> {
  const held = await db.run('chore', 'hold', { id, instance, attempt }).catch(explainLock);
  return held.length > 0;
}

/** Moves a chore to state complete. */
export async function completeChore(db: Connection, id: number, result: ChoreResult): Promise<void> {
  await db.run('chore', 'complete', { id, result: asJson(result) });
}

/** Moves a chore to state failed. */
export async function failChore(
  db: Connection,
  id: number,
  failure: ChoreFailure,
  result: ChoreResult,
): Promise<void> {
  await db.run('chore', 'fail', { id, ...failure, result: asJson(result) });
}

/** Moves a chore to state retrying. `at`: time of the next attempt. `attempts`: attempts so far. */
export async function retryChore(
  db: Connection,
  { id, at, attempts }: { id: number; at: Date; attempts: number },
  failure: ChoreFailure,
  result: ChoreResult,
): Promise<void> {
  await db.run('chore', 'retry', { id, at, attempts, ...failure, result: asJson(result) });
}

/** Fails the chores that have not begun; returns their IDs. */
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
