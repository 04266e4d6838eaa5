/**
 * Removes one backup: first a record in the control database, then the removal from all lists, then the
 * files. The next expiry finishes the work of a killed expiry (finish-earlier.ts).
 */
import { join } from 'node:path';
import { standing } from '../identity/repository-use.ts';
import type { Connection } from '../database/connection.ts';
import {
  beginExpiry,
  endExpiry,
  whoKeepsLocked,
  type ExpiringBackup,
  type LockWait,
} from '../control/retention-rows.ts';
import { HoldfastError, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { forgetBackup, removeFiles, unlistBackup } from '../repository/expired-backup.ts';
import { withLock } from '../system/file-lock.ts';
import { backupsDirectory, metaDirectory } from '../repository/repository-backup.ts';
import { forgetElsewhere, storedHolds } from '../repository/stored-holds.ts';
import { backupAt, listedNames } from '../repository/catalog.ts';
import { whyUnknownHolds } from './decide-holds.ts';
import { whyNeeded } from './needed-links.ts';
import { isLeased } from './leases.ts';
import type { DecidedBackup } from './decide-backups.ts';
import { runDeleteCommand } from './delete-command.ts';
import type { ListedCandidate } from './expiry-candidates.ts';
import type { RetentionInput } from './expiry-plan.ts';

/** The options of an expiry. */
export interface ExpireOptions {
  cluster: string;
  clusterDirectory: string;
  control: <T>(work: (db: Connection) => Promise<T>) => Promise<T>;
  /** Whether the expiry only reports, and removes nothing. */
  dryRun: boolean;
  /** Whether backups in the repository may expire that the control database does not know. */
  unknown: boolean;
  /** Whether the operator has confirmed the clock. */
  clockIsRight: boolean;
  /**
   * The program and arguments that remove a backup outside of the repository; undefined if none is
   * configured.
   */
  deleteCommand: readonly string[] | undefined;
  log: Log;
  signal: AbortSignal;
}

/** An expiry that has begun. */
export interface RunningExpiry extends ExpireOptions {
  lockWait: LockWait;
}

/**
 * The result for one backup. `read`: the backup is being read. `refused`: the control database keeps the
 * backup, or the backup is held; `failed`: the delete_command failed, or a session keeps the request locked.
 */
export type RemovalResult =
  | { state: 'gone'; bytes: number }
  | { state: 'read' }
  | { state: 'refused'; reason: string; failed: boolean };

/**
 * Removes one backup.
 * @throws HoldfastError where another control database has taken the repository over meanwhile
 */
export async function removeOne(
  decided: DecidedBackup<ListedCandidate>,
  seen: RetentionInput,
  options: RunningExpiry,
): Promise<RemovalResult> {
  await standing(options);
  const expiring = recordOf(decided, seen);
  return decided.backup.method === 'copy'
    ? removeStored(expiring, seen, options)
    : removeElsewhere(decided.backup, seen, expiring, options);
}

async function removeStored(
  expiring: ExpiringBackup,
  seen: RetentionInput,
  options: RunningExpiry,
): Promise<RemovalResult> {
  const { clusterDirectory } = seen;
  const meta = metaDirectory(join(backupsDirectory(clusterDirectory), expiring.backup));
  let refusal: string | undefined;
  try {
    await withLock(meta, { shared: false, wait: 0 }, async () => {
      refusal = await heldMeanwhile(expiring, seen);
      if (refusal !== undefined) return;
      refusal = await options.control((db) => beginExpiry(db, expiring, options.lockWait));
      if (refusal === undefined) await unlistBackup(clusterDirectory, expiring.backup, expiring);
    });
  } catch (error) {
    if (error instanceof HoldfastError && error.code === 'locked') return { state: 'read' };
    return requestLocked(error);
  }
  if (refusal !== undefined) return { state: 'refused', reason: refusal, failed: false };
  return { state: 'gone', bytes: await finishExpiry(expiring, options) };
}

/**
 * Why the backup has to stay after all; undefined if nothing holds the backup. The lock of the backup keeps
 * other control databases from placing a hold now; hold files of released holds have been removed before.
 */
async function heldMeanwhile(
  expiring: ExpiringBackup,
  { clusterDirectory, leases, candidates }: RetentionInput,
): Promise<string | undefined> {
  const [first] = await storedHolds(clusterDirectory, { ...expiring, name: expiring.backup });
  if (first !== undefined) return whyUnknownHolds(first);
  const child = await childSince(expiring, { clusterDirectory, candidates });
  if (child !== undefined) return whyNeeded([child]);
  // A restore that has ended meanwhile created its lease while the restore had the lock of the backup.
  return (await isLeased(clusterDirectory, expiring.backup, leases))
    ? 'it has just been restored'
    : undefined;
}

/** The name of a copy that has been made from the backup since the plan; undefined if there is none. */
async function childSince(
  { backup, method }: ExpiringBackup,
  { clusterDirectory, candidates }: Pick<RetentionInput, 'clusterDirectory' | 'candidates'>,
): Promise<string | undefined> {
  if (method !== 'copy') return undefined;
  const planned = new Set(candidates.map(({ name }) => name));
  for (const name of await listedNames(clusterDirectory)) {
    if (planned.has(name)) continue;
    const { description } = await backupAt(join(backupsDirectory(clusterDirectory), name));
    if (description.incremental?.parent === backup) return name;
  }
  return undefined;
}

/**
 * Removes the files of a backup that has been recorded and unlisted. Returns the bytes that have been freed.
 */
export async function finishExpiry(
  expiring: ExpiringBackup,
  { control, clusterDirectory }: Pick<ExpireOptions, 'control' | 'clusterDirectory'>,
): Promise<number> {
  const bytes = await removeFiles(clusterDirectory, expiring.backup);
  await control((db) => endExpiry(db, expiring, { bytes, problem: null }));
  await forgetBackup(clusterDirectory, expiring.backup);
  return bytes;
}

async function removeElsewhere(
  backup: ListedCandidate,
  seen: RetentionInput,
  expiring: ExpiringBackup,
  { control, clusterDirectory, deleteCommand = [], cluster, signal, lockWait }: RunningExpiry,
): Promise<RemovalResult> {
  const held = await heldMeanwhile(expiring, seen);
  if (held !== undefined) return { state: 'refused', reason: held, failed: false };
  try {
    const refusal = await control((db) => beginExpiry(db, expiring, lockWait));
    if (refusal !== undefined) return { state: 'refused', reason: refusal, failed: false };
  } catch (error) {
    return requestLocked(error);
  }
  try {
    await runDeleteCommand(deleteCommand, cluster, backup, signal);
  } catch (error) {
    const problem = messageOf(error);
    await control((db) => endExpiry(db, expiring, { bytes: null, problem }));
    return { state: 'refused', reason: problem, failed: true };
  }
  await control((db) => endExpiry(db, expiring, { bytes: null, problem: null }));
  await forgetElsewhere(clusterDirectory, { ...expiring, name: expiring.backup });
  return { state: 'gone', bytes: 0 };
}

function requestLocked(error: unknown): RemovalResult {
  return { state: 'refused', reason: whoKeepsLocked(error), failed: true };
}

function recordOf(
  { backup, reasons }: DecidedBackup<ListedCandidate>,
  { cluster, policy }: RetentionInput,
): ExpiringBackup {
  return {
    cluster,
    backup: backup.name,
    request: backup.request,
    mayBe: backup.mayBe,
    method: backup.method,
    stoppedAt: backup.stoppedText,
    systemIdentifier: backup.systemIdentifier,
    startLsn: backup.startText,
    reason: reasons.join('; '),
    policy: policy.definition,
  };
}
