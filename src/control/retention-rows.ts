/** Retention as the control database knows it: the policies, what must stay, and the record of what has gone. */
import { HoldfastError } from '../errors.ts';
import type { Connection } from '../database/connection.ts';
import type { BackupState } from './backup-states.ts';

export interface RetentionPolicy {
  keepLast: number | null;
  keepDaily: number | null;
  keepWeekly: number | null;
  keepMonthly: number | null;
  timeZone: string;
  /** Backups that ended later are kept. */
  keepSince: Date | null;
  /** Every later moment is to be restorable; null: whatever a backup that is kept can be rolled forward to. */
  recoverSince: Date | null;
  /** All of it, as JSON. */
  definition: string;
}

export interface RequestedRetention {
  /** On the database's clock. */
  now: Date;
  /** undefined: there is none, or it is not enabled. */
  policy: RetentionPolicy | undefined;
}

/** A request whose backup has begun, and has not expired. */
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
  /** As the server returned it; null: it has not, or the backup failed before that. */
  backupLabel: string | null;
  /** false: its WAL was not in the archive. */
  archiveSeen: boolean | null;
  /** The schedule or the role that requested it. */
  requester: string;
  /** Why it is under legal hold. */
  holds: string[];
  /** An expiry has noted it already, and may have been killed since. */
  isBegun: boolean;
}

/** @throws HoldfastError `no_such_cluster` */
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

export async function knownBackups(db: Connection, cluster: string): Promise<KnownBackup[]> {
  const rows = await db.run('retention', 'backups', { cluster });
  return rows.map((row) => ({ ...row, id: Number(row.id) }) as KnownBackup);
}

/** Moments at which something happened that the database knows of; `after`: later ones only. */
export async function datedEvents(db: Connection, after: Date | undefined): Promise<Date[]> {
  const rows = await db.run('retention', 'evidence', { after: after?.toISOString() ?? null });
  return rows.map(({ at }) => at as Date);
}

/** The requests whose start is not known yet. */
export async function startingBackups(db: Connection, cluster: string): Promise<number[]> {
  const rows = await db.run('retention', 'starting', { cluster });
  return rows.map(({ id }) => Number(id));
}

/** The backups in the repository that were found damaged when they were last verified. */
export async function damagedBackups(db: Connection, cluster: string): Promise<Set<string>> {
  const rows = await db.run('retention', 'verified', { cluster });
  return new Set(rows.filter(({ ok }) => ok === false).map(({ backup }) => String(backup)));
}

export interface ExpiringBackup {
  cluster: string;
  /** Its name. */
  backup: string;
  /** null: this database does not know it. */
  request: number | null;
  method: string;
  stoppedAt: string;
  systemIdentifier: string;
  startLsn: string;
  reason: string;
  /** JSON. */
  policy: string | null;
}

/** Before anything of it is removed. Returns why it must not be. */
export async function beginExpiry(db: Connection, expiring: ExpiringBackup): Promise<string | undefined> {
  const { stoppedAt, systemIdentifier, startLsn, ...rest } = expiring;
  const [row] = await db.run('retention', 'begin', {
    ...rest,
    stopped_at: stoppedAt,
    system_identifier: systemIdentifier,
    start_lsn: startLsn,
  });
  return (row?.refused as string | null) ?? undefined;
}

/** `problem`: why its files could not be removed. */
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

export interface ExpiringWal {
  cluster: string;
  timeline: number;
  startWal: string;
  endWal: string;
  files: number;
  reason: string;
}

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

/** Those that have a policy. */
export async function clustersWithPolicy(db: Connection): Promise<string[]> {
  const rows = await db.run('retention', 'clusters');
  return rows.map(({ cluster }) => String(cluster));
}
