/**
 * A chore: what is done around backups, asked for by a row of backup_chore. Each kind has a runner, which is told of
 * one attempt at a time and need not know of the others: it does what is there to do, and may find that all is done.
 */
import type { Config } from '../config/config.ts';
import type { ControlLink } from '../control/control-link.ts';
import { HoldfastError } from '../errors.ts';
import type { Log } from '../log.ts';

export interface Chore {
  id: number;
  cluster: string;
  kind: string;
  /** The request that made the backup, where one was named. */
  requestId: number | null;
  /** A backup's name in the repository; null: the chore chooses. */
  backup: string | null;
  options: Record<string, unknown>;
  /** From 1. */
  attempt: number;
}

export interface ChoreContext {
  control: ControlLink;
  repository: string;
  /** Of the chore's cluster, in the repository. */
  clusterDirectory: string;
  config: Config;
  log: Log;
  /** The worker is stopping: the chore is run again by the next one. */
  signal: AbortSignal;
  /** What is known so far: it is in the row even where the chore then fails. */
  setResult(result: Record<string, unknown>): void;
}

/** Returns what goes into the row's result. @throws HoldfastError */
export type ChoreRunner = (chore: Chore, context: ChoreContext) => Promise<Record<string, unknown>>;

export interface RetryPolicy {
  /** All in all. */
  attempts: number;
  /** Seconds after the first failure; each further one doubles them. */
  delay: number;
  longestDelay: number;
}

const forEver = 2 ** 31 - 1;

/** What is unsent stays unsent until it has been sent; the others are asked for again by whoever reads of their failure. */
export function retryPolicy(kind: string): RetryPolicy {
  return { attempts: kind === 'sync' ? forEver : 3, delay: 1, longestDelay: 600 };
}

/** What is wrong with the request, the configuration or the backup itself is so the next time, too. */
export function isWorthRetrying(error: unknown): boolean {
  if (!(error instanceof HoldfastError)) return true;
  return error.kind !== 'usage' && !lasting.includes(error.code);
}

const lasting = ['backup_damaged', 'no_such_backup'];
