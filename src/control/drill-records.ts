/** Restore drills in the control database: the result of a drill, and when a backup was last proven restorable. */
import type { Connection } from '../database/connection.ts';
import type { BackupRecord } from '../repository/label-entry.ts';

/** One check of a drill. */
export interface DrillCheck {
  check: string;
  /** The database that was checked; undefined: the cluster as a whole. */
  database?: string;
  ok: boolean;
  /** The check could not be done, for a reason outside of the backup. */
  skipped?: boolean;
  detail: string;
  problems: string[];
  seconds: number;
}

/** The result of a drill. */
export interface DrillRecord {
  cluster: string;
  /** The backup that was restored; undefined: no backup could be chosen. */
  backup: DrilledBackup | undefined;
  worker: string;
  startedAt: Date;
  finishedAt: Date;
  /** The recovery target. */
  target: string;
  serverVersion: string | null;
  restoreSeconds: number | null;
  recoverySeconds: number | null;
  bytes: number | null;
  /** Where recovery ended; null: unknown. */
  recoveredTo: string | null;
  lastTransactionAt: Date | null;
  checks: DrillCheck[];
  /** undefined: the backup is proven restorable. */
  failure: { code: string; message: string; hint: string | undefined } | undefined;
}

/** A backup of a drill. System identifier, start LSN and timeline tell two requests with the same ID apart. */
export interface DrilledBackup extends Pick<
  BackupRecord,
  'id' | 'systemIdentifier' | 'startLsn' | 'timeline'
> {
  /** Name of the backup in the repository. */
  name: string;
}

/** The newest drill of a cluster. Ages are in seconds. */
export interface NewestDrill {
  id: number;
  cluster: string;
  requestId: number | null;
  backup: string | null;
  ok: boolean;
  error: string | null;
  errorCode: string | null;
  ago: number;
  /** Seconds since the newest successful drill; null: no drill has succeeded. */
  provenAgo: number | null;
}

/** The results of drills and verifications of a backup. null: no such result. */
export interface Proof {
  provenAt: Date | null;
  recoverySeconds: number | null;
  restoreSeconds: number | null;
  drilledAt: Date | null;
  drillOk: boolean | null;
  drillError: string | null;
  verifiedAt: Date | null;
  verifiedOk: boolean | null;
}

/** Records a drill and returns its ID. */
export async function recordDrill(db: Connection, found: DrillRecord): Promise<number> {
  const { backup } = found;
  const [row] = await db.run('drill', 'record', {
    id: backup?.id ?? null,
    cluster: found.cluster,
    system_identifier: backup?.systemIdentifier ?? null,
    start_lsn: backup?.startLsn ?? null,
    timeline: backup?.timeline ?? null,
    backup: backup?.name ?? null,
    worker: found.worker,
    started_at: found.startedAt,
    finished_at: found.finishedAt,
    target: found.target,
    server_version: found.serverVersion,
    restore_seconds: found.restoreSeconds,
    recovery_seconds: found.recoverySeconds,
    bytes: found.bytes,
    recovered_to: found.recoveredTo,
    last_transaction_at: found.lastTransactionAt,
    checks: JSON.stringify(found.checks),
    ...outcome(found),
  });
  return Number(row?.id);
}

function outcome({ failure }: DrillRecord) {
  if (failure === undefined) return { ok: true, error_code: null, error: null, hint: null };
  const { code, message, hint = null } = failure;
  return { ok: false, error_code: code, error: message, hint };
}

/** The newest drill of every cluster that was ever drilled. */
export function newestDrills(db: Connection): Promise<NewestDrill[]> {
  return db.run<NewestDrill>('drill', 'newest', {}, { timeout: 30_000 });
}

/** undefined: the request is not a complete backup. */
export async function proofOf(db: Connection, id: number): Promise<Proof | undefined> {
  const [row] = await db.run<Proof>('drill', 'proof', { id }, { timeout: 30_000 });
  return row;
}
