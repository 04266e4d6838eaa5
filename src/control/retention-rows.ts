/**
 * Retention in the control database: the policies, the backups that must stay, and the record of removed backups
 * and WAL.
 */
import { HoldfastError } from '../errors.ts';
import { ServerError, type Connection } from '../database/connection.ts';
import type { BackupState } from './backup-states.ts';

/** A retention policy. Numbers are null if not set. */
export interface RetentionPolicy {
  /** Number of backups. */
  keepLast: number | null;
  /** Number of days; keepWeekly and keepMonthly count weeks and months. */
  keepDaily: number | null;
  keepWeekly: number | null;
  keepMonthly: number | null;
  /** The time zone of days, weeks and months. */
  timeZone: string;
  /** Backups that ended after this time are kept; null: not set. */
  keepSince: Date | null;
  /**
   * Every time after this time has to be restorable; null: only times to which the kept backups can be rolled
   * forward.
   */
  recoverSince: Date | null;
  /** The whole policy as JSON. */
  definition: string;
}

/** The policy of a cluster, and the time at which the policy is applied. */
export interface RequestedRetention {
  /** The time of the database. */
  now: Date;
  /** undefined: there is no policy, or the policy is not enabled. */
  policy: RetentionPolicy | undefined;
}

/** A request whose backup has started and not expired. */
export interface KnownBackup {
  id: number;
  cluster: string;
  label: string;
  method: string;
  state: BackupState;
  timeline: number;
  keep: boolean;
  systemIdentifier: string;
  startLsn: string;
  stopLsn: string | null;
  startWal: string;
  stopWal: string | null;
  startedAt: Date;
  stoppedAt: Date | null;
  /** backup_label as the server returned the label; null: the server has not, or the backup failed before. */
  backupLabel: string | null;
  /** The request of the parent of an incremental copy; null: a full copy. */
  parent: number | null;
  /** Whether the WAL was seen in the archive; null: unknown. */
  archiveSeen: boolean | null;
  /** The schedule or the role that requested the backup. */
  requester: string;
  /** The reasons of its legal holds; empty: no hold. */
  holds: string[];
  /** Whether an expiry of this backup has been recorded already. That expiry may have been killed since. */
  isBegun: boolean;
  /** Whether an expiry of this backup has been recorded, with or without its request. */
  isNoted: boolean;
}

/** Returns the policy of a cluster. @throws HoldfastError `no_such_cluster` */
export async function retentionOf(db: Connection, cluster: string): Promise<RequestedRetention> {
  const [row] = await db.run('retention', 'policy', { cluster });
  if (row === undefined) {
    throw new HoldfastError('usage', `cluster "${cluster}" does not exist`, {
      code: 'no_such_cluster',
      hint: 'list those that do with "holdfast status"',
    });
  }
  const { now, isEnabled, ...policy } = row;
  return { now: now as Date, policy: isEnabled ? (policy as RetentionPolicy) : undefined };
}

/** All requests of a cluster whose backups have started and not expired. */
export async function knownBackups(db: Connection, cluster: string): Promise<KnownBackup[]> {
  const rows = await db.run('retention', 'backups', { cluster });
  return rows.map(
    ({ parent, ...row }) =>
      ({ ...row, id: Number(row.id), parent: parent === null ? null : Number(parent) }) as KnownBackup,
  );
}

/**
 * Times, by the hour, of past events that the database knows of, as evidence that time has passed. `after`: only
 * later events; undefined: all events.
 */
export async function datedEvents(db: Connection, after: Date | undefined): Promise<Date[]> {
  const rows = await db.run('retention', 'evidence', { after: after?.toISOString() ?? null });
  return rows.map(({ at }) => at as Date);
}

/** The IDs of requests whose start LSN is not known yet. */
export async function startingBackups(db: Connection, cluster: string): Promise<number[]> {
  const rows = await db.run('retention', 'starting', { cluster });
  return rows.map(({ id }) => Number(id));
}

/** The names of the backups whose last verification has found damage. */
export async function damagedBackups(db: Connection, cluster: string): Promise<Set<string>> {
  const rows = await db.run('retention', 'verified', { cluster });
  return new Set(rows.filter(({ ok }) => ok === false).map(({ backup }) => String(backup)));
}

/** A backup that is about to be removed. */
export interface ExpiringBackup {
  cluster: string;
  /** Name of the backup in the repository. */
  backup: string;
  /** null: this database does not have the request. */
  request: number | null;
  /** A request that may have made the backup, and whose holds count; null: none. */
  mayBe: number | null;
  method: string;
  stoppedAt: string;
  systemIdentifier: string;
  startLsn: string;
  reason: string;
  /** The policy as JSON; null: removed without a policy. */
  policy: string | null;
}

/**
 * How long an expiry waits for a request that another session has locked, in milliseconds: a second, until one has been
 * locked for that long. The others may be locked by the same session, and each would take a second.
 */
export interface LockWait {
  left: number;
}

/** The LockWait of an expiry that begins. */
export function fullLockWait(): LockWait {
  return { left: 1000 };
}

/**
 * Records an expiry before any file is removed. Returns why the backup must not be removed; undefined: the backup
 * may be removed.
 * @throws RequestLocked
 */
export async function beginExpiry(
  db: Connection,
  expiring: ExpiringBackup,
  lockWait: LockWait,
): Promise<string | undefined> {
  const { stoppedAt, systemIdentifier, startLsn, mayBe, ...rest } = expiring;
  const columns = {
    ...rest,
    may_be: mayBe,
    stopped_at: stoppedAt,
    system_identifier: systemIdentifier,
    start_lsn: startLsn,
    lock_wait: lockWait.left,
  };
  const [row] = await db.run('retention', 'begin', columns).catch((error: unknown) => {
    if (!(error instanceof ServerError) || error.code !== lockNotAvailable) throw error;
    lockWait.left = 0;
    throw new RequestLocked(error);
  });
  return (row?.refused as string | null) ?? undefined;
}

/**
 * A session keeps the request of a backup locked. A requester can, for any time: the worker must not try again, as it does
 * after an error of the server.
 */
class RequestLocked extends Error {
  constructor({ message, hint }: ServerError) {
    super(hint === undefined ? message : `${message}; ${hint}`);
  }
}

/** The message of a RequestLocked. @throws every other error */
export function whoKeepsLocked(error: unknown): string {
  if (error instanceof RequestLocked) return error.message;
  throw error;
}

const lockNotAvailable = '55P03';

/**
 * Records the end of an expiry. `bytes`: removed bytes. `problem`: why the files could not be removed; null:
 * removed.
 */
export async function endExpiry(
  db: Connection,
  { cluster, backup, systemIdentifier, startLsn }: ExpiringBackup,
  outcome: { bytes: number | null; problem: string | null },
): Promise<void> {
  await db.run('retention', 'end', {
    cluster,
    backup,
    system_identifier: systemIdentifier,
    start_lsn: startLsn,
    ...outcome,
  });
}

/** Consecutive WAL segments that are about to be removed. */
export interface ExpiringWal {
  cluster: string;
  timeline: number;
  startWal: string;
  endWal: string;
  files: number;
  reason: string;
}

/** Records the removal of WAL segments. */
export async function recordExpiringWal(db: Connection, runs: readonly ExpiringWal[]): Promise<void> {
  for (const { cluster, timeline, startWal, endWal, files, reason } of runs) {
    await db.run('retention', 'wal', {
      cluster,
      timeline,
      start_wal: startWal,
      end_wal: endWal,
      files,
      reason,
    });
  }
}

/** The clusters that have a retention policy. */
export async function clustersWithPolicy(db: Connection): Promise<string[]> {
  const rows = await db.run('retention', 'clusters');
  return rows.map(({ cluster }) => String(cluster));
}
