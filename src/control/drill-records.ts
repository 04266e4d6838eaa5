/** Restore drills, for the control database: what one found, and when something was last proven restorable. */
import type { Connection } from '../database/connection.ts';

/** One thing that a drill looked at. */
export interface DrillCheck {
  check: string;
  /** Where it looked; undefined: at the cluster as a whole. */
  database?: string;
  ok: boolean;
  /** It could not be done, which is no fault of the backup's. */
  skipped?: boolean;
  detail: string;
  problems: string[];
  seconds: number;
}

export interface DrillRecord {
  cluster: string;
  /** What was drilled; undefined: nothing could be chosen. */
  backup: DrilledBackup | undefined;
  worker: string;
  startedAt: Date;
  finishedAt: Date;
  target: string;
  serverVersion: string | null;
  restoreSeconds: number | null;
  recoverySeconds: number | null;
  bytes: number | null;
  recoveredTo: string | null;
  lastTransactionAt: Date | null;
  checks: DrillCheck[];
  /** undefined: the backup is proven restorable. */
  failure: { code: string; message: string; hint: string | undefined } | undefined;
}

/** The request's id, with what tells it from another one of that id, and the name in the repository. */
export interface DrilledBackup {
  id: number;
  name: string;
  systemIdentifier: string;
  startLsn: string;
  timeline: number;
}

/** The last drill of a cluster. Ages are in seconds. */
export interface NewestDrill {
  id: number;
  cluster: string;
  requestId: number | null;
  backup: string | null;
  ok: boolean;
  error: string | null;
  errorCode: string | null;
  ago: number;
  /** Since the last one that succeeded; null: none has. */
  provenAgo: number | null;
}

/** What is known about whether a backup can be restored. */
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

/** Returns the drill's id. */
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

/** Of every cluster that was ever drilled. */
export function newestDrills(db: Connection): Promise<NewestDrill[]> {
  return db.run<NewestDrill>('drill', 'newest', {}, { timeout: 30_000 });
}

/** undefined: it is no complete backup. */
export async function proofOf(db: Connection, id: number): Promise<Proof | undefined> {
  const [row] = await db.run<Proof>('drill', 'proof', { id }, { timeout: 30_000 });
  return row;
}
