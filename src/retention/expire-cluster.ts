/**
 * Removes backups that the retention policy of a cluster does not keep, and then WAL that only these backups
 * needed. One expiry per cluster runs at a time, on any host. The next expiry finishes the work of a killed
 * expiry.
 */
import { join } from 'node:path';
import { standing, useRepository } from '../identity/repository-use.ts';
import { fullLockWait, recordExpiringWal } from '../control/retention-rows.ts';
import { HoldfastError } from '../errors.ts';
import { makeDurableDirectory } from '../system/held-directory.ts';
import { moveLatestAway } from '../repository/expired-backup.ts';
import { removeLease } from '../repository/lease.ts';
import { withLock } from '../system/file-lock.ts';
import { backupsDirectory, metaDirectory } from '../repository/repository-backup.ts';
import { removeArchived } from '../repository/wal-archive.ts';
import type { ListedCandidate } from './expiry-candidates.ts';
import { acceptTime } from './judge-clock.ts';
import type { DecidedBackup } from './decide-backups.ts';
import { finishEarlier, previewEarlier, type Relisted } from './finish-earlier.ts';
import { bringHoldsTogether } from './hold-files.ts';
import { isLeased } from './leases.ts';
import { gatherAgain, gatherInput, planFor, type ExpiryPlan, type RetentionInput } from './expiry-plan.ts';
import { childrenFirst, isLink } from './needed-links.ts';
import { removeOne, type ExpireOptions, type RunningExpiry } from './remove-backup.ts';
import { expiredRunsOf, type ExpiredRun } from './wal-runs.ts';

/** The result of an expiry. */
export interface ExpiryResult {
  cluster: string;
  /** The policy in JSON; undefined if the cluster has no enabled policy, and nothing has been examined. */
  policy: string | undefined;
  /** Backups that have been removed; in a dry run, backups that would be removed. */
  gone: DecidedBackup<ListedCandidate>[];
  stays: DecidedBackup<ListedCandidate>[];
  wal: ExpiredRun[];
  /** Backups whose removal an earlier expiry had begun. */
  finished: string[];
  /** Backups that an earlier expiry had unlisted, and that are held now. */
  relisted: Relisted[];
  /** Bytes that have been freed. */
  bytes: number;
  /** Errors of delete commands, and what was left of backups that are held. */
  problems: string[];
}

/**
 * Runs an expiry of one cluster.
 * @throws HoldfastError `locked` where another expiry is running; an error also where anything cannot be
 * read, and then nothing is removed
 */
export async function expireCluster(options: ExpireOptions): Promise<ExpiryResult> {
  const { cluster, clusterDirectory, control, dryRun } = options;
  if (dryRun) return preview(options);
  const seen = await control((db) => gatherInput(db, question(options)));
  if (seen === undefined) return nothing(cluster);
  const use = { cluster, clusterDirectory, control };
  // If the cluster has no repository, this directory only serves the lock. A directory without owner.json is
  // not a repository.
  if ((await useRepository(use, `expiry of cluster ${cluster}`)) === 'unused')
    await makeDurableDirectory(clusterDirectory);
  return withLock(clusterDirectory, { shared: false, wait: 0 }, () =>
    expireLocked({ ...options, lockWait: fullLockWait() }),
  ).catch((error: unknown) => {
    if (!(error instanceof HoldfastError) || error.code !== 'locked') throw error;
    throw new HoldfastError('failed', `another expiry of cluster ${cluster} is at work`, {
      code: 'locked',
      hint: 'wait until that expiry has ended, and run "holdfast expire" again',
      cause: error,
    });
  });
}

async function preview(options: ExpireOptions): Promise<ExpiryResult> {
  const seen = await options.control((db) => gatherInput(db, question(options)));
  if (seen === undefined) return nothing(options.cluster);
  const reading = new Set<string>();
  for (const { backup } of going(planFor(seen)).filter(isStored))
    if (await isRead(seen, backup.name)) reading.add(backup.name);
  const plan = await planForWal(seen, reading);
  return { ...outcome(seen, plan), ...(await previewEarlier(options)) };
}

async function expireLocked(options: RunningExpiry): Promise<ExpiryResult> {
  const { control, clusterDirectory, log, signal } = options;
  const lookNow = async () => {
    await bringHoldsTogether(options);
    return control((db) => gatherInput(db, question(options)));
  };
  const before = await lookNow();
  if (before === undefined) return nothing(options.cluster);
  await acceptTime(before, options);
  // A lease that is over has no effect, so a file that cannot be removed does not matter.
  for (const path of before.leases.over) await removeLease(path).catch(() => undefined);
  const { bytes: freed, ...earlier } = await finishEarlier(options);
  const seen = earlier.relisted.length === 0 ? before : await lookNow();
  if (seen === undefined) return { ...nothing(options.cluster), ...earlier, bytes: freed };

  const reading = new Set<string>();
  const refused = new Map<string, string>();
  const problems = [...earlier.problems];
  let bytes = freed;
  const first = planFor(seen);
  await moveLatestAway(clusterDirectory, new Set(going(first).map(({ backup }) => backup.name)));
  const left = new Set<ListedCandidate>();
  for (const decided of inOrder(going(first))) {
    signal.throwIfAborted();
    // The next plan says that the link stays, and why.
    if ([...left].some((child) => isLink(decided.backup, child))) continue;
    const result = await removeOne(decided, seen, options);
    if (result.state !== 'gone') left.add(decided.backup);
    if (result.state === 'read') reading.add(decided.backup.name);
    else if (result.state === 'refused') refused.set(decided.backup.name, result.reason);
    else bytes += result.bytes;
    if (result.state === 'refused' && result.failed) problems.push(result.reason);
    log.info(result.state === 'gone' ? 'expired a backup' : 'left a backup', {
      cluster: seen.cluster,
      backup: decided.backup.name,
      reason: result.state === 'refused' ? result.reason : decided.reasons.join('; '),
    });
  }

  const latest = await control((db) => gatherAgain(db, seen));
  const { wal } = await planForWal(latest, reading, refused);
  const plan = { backups: planFor(seen, reading, refused).backups, wal };
  signal.throwIfAborted();
  bytes += await removeWal(plan, seen, options);
  return { ...outcome(seen, plan), ...earlier, problems, bytes };
}

/**
 * Plans the removal of WAL. A backup that stays may be read at this moment while WAL after the backup would
 * be removed; such backups are added to `reading`.
 */
async function planForWal(
  seen: RetentionInput,
  reading: Set<string>,
  refused?: ReadonlyMap<string, string>,
): Promise<ExpiryPlan> {
  const { backups, wal } = planFor(seen, reading, refused);
  const gone = wal.filter(({ goes, file }) => goes && !file.endsWith('.history'));
  const last = gone.reduce((latest, { file }) => (file.slice(8) > latest ? file.slice(8) : latest), '');
  const isFollowed = ({ stopWal }: ListedCandidate) => stopWal.slice(8) < last;
  for (const { backup } of backups.filter((one) => !one.goes && isStored(one) && isFollowed(one.backup)))
    // A restore creates its lease before the restore releases the lock of the backup.
    if (
      (await isRead(seen, backup.name)) ||
      (await isLeased(seen.clusterDirectory, backup.name, seen.leases))
    )
      reading.add(backup.name);
  return planFor(seen, reading, refused);
}

/**
 * Removes WAL files. Each timeline is removed from its beginning on, so that a killed expiry does not leave a
 * gap; timeline history files are last.
 */
async function removeWal(
  plan: ExpiryPlan,
  { cluster, clusterDirectory }: RetentionInput,
  options: ExpireOptions,
): Promise<number> {
  const files = plan.wal.filter(({ goes }) => goes).map(({ file }) => file);
  if (files.length === 0) return 0;
  await standing(options);
  const runs = expiredRunsOf(plan.wal).filter(({ goes }) => goes);
  await options.control((db) =>
    recordExpiringWal(
      db,
      runs.map((run) => ({ cluster, ...run })),
    ),
  );
  const [histories, others] = [true, false].map((wanted) =>
    files.filter((file) => file.endsWith('.history') === wanted),
  );
  const bytes = await removeArchived(clusterDirectory, [...(others ?? []), ...(histories ?? [])]);
  options.log.info('expired WAL', { cluster, files: files.length, bytes });
  return bytes;
}

async function isRead({ clusterDirectory }: RetentionInput, name: string): Promise<boolean> {
  const meta = metaDirectory(join(backupsDirectory(clusterDirectory), name));
  return withLock(meta, { shared: false, wait: 0 }, async () => false).catch((error: unknown) => {
    if (error instanceof HoldfastError && error.code === 'locked') return true;
    throw error;
  });
}

function question({ cluster, clusterDirectory, unknown, clockIsRight, deleteCommand }: ExpireOptions) {
  return { cluster, clusterDirectory, unknown, clockIsRight, deletes: deleteCommand !== undefined };
}

function going({ backups }: ExpiryPlan): DecidedBackup<ListedCandidate>[] {
  return backups.filter(({ goes }) => goes);
}

/** Children come before their parents, so that a killed expiry leaves no incremental copy without its links. */
function inOrder(decided: readonly DecidedBackup<ListedCandidate>[]): DecidedBackup<ListedCandidate>[] {
  const byBackup = new Map(decided.map((one) => [one.backup, one]));
  return childrenFirst([...byBackup.keys()]).flatMap((backup) => byBackup.get(backup) ?? []);
}

function isStored({ backup }: DecidedBackup<ListedCandidate>): boolean {
  return backup.method === 'copy';
}

function outcome({ cluster, policy }: RetentionInput, plan: ExpiryPlan): ExpiryResult {
  return {
    ...nothing(cluster),
    policy: policy.definition,
    gone: going(plan),
    stays: plan.backups.filter(({ goes }) => !goes),
    wal: expiredRunsOf(plan.wal),
  };
}

function nothing(cluster: string): ExpiryResult {
  const found = { gone: [], stays: [], wal: [], finished: [], relisted: [] };
  return { cluster, policy: undefined, ...found, bytes: 0, problems: [] };
}
