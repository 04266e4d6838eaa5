/**
 * Chores: work around backups that rows of backup_chore request. Each kind of chore has a runner. A runner is
 * called for one attempt at a time and does not know about other attempts: the runner does the work that is left,
 * and may find that no work is left.
 */
import type { BegunChore } from '../control/chore-rows.ts';
import type { Config } from '../config/config.ts';
import type { ControlLink } from '../control/control-link.ts';
import { HoldfastError } from '../errors.ts';
import type { Log } from '../log.ts';

/** One attempt of a chore. */
export type Chore = BegunChore;

/** The connections and settings for a runner. */
export interface ChoreContext {
  control: ControlLink;
  repository: string;
  /** The directory of the cluster in the repository. */
  clusterDirectory: string;
  config: Config;
  log: Log;
  /** Aborted when the worker is stopping; the next worker runs the chore again. */
  signal: AbortSignal;
  /** Sets the preliminary result, which is written to the row even if the chore fails afterwards. */
  setResult(result: Record<string, unknown>): void;
}

/** Runs one attempt. Returns the result for the row. @throws HoldfastError */
export type ChoreRunner = (chore: Chore, context: ChoreContext) => Promise<Record<string, unknown>>;

/** How often, and how soon, a chore is tried again. */
export interface RetryPolicy {
  /** The total number of attempts. */
  attempts: number;
  /** Seconds after the first failure. Each further failure doubles the delay. */
  delay: number;
  /** Seconds. */
  longestDelay: number;
}

const forEver = 2 ** 31 - 1;

/**
 * The policy for a kind of chore. Chore sync is tried until everything is sent. Other chores fail after some
 * attempts and have to be requested again.
 */
export function retryPolicy(kind: string): RetryPolicy {
  return { attempts: kind === 'sync' ? forEver : 3, delay: 1, longestDelay: 600 };
}

/**
 * Whether another attempt may succeed. An error in the request, the configuration or the backup itself would occur
 * again.
 */
export function isWorthRetrying(error: unknown): boolean {
  if (!(error instanceof HoldfastError)) return true;
  return error.kind !== 'usage' && !lasting.includes(error.code);
}

const lasting = ['backup_damaged', 'no_such_backup'];
