/** The legal holds and the keep flags of backups, in the control database. */
import type { Connection } from '../database/connection.ts';

/** A legal hold as the control database knows the hold. */
export interface KnownHold {
  reason: string;
  by: string;
  /** The login of the role `by` (session_user). */
  login: string;
  /** UTC with microseconds: 2026-11-28T23:59:59.123456Z. */
  at: string;
  released: boolean;
}

/** A request with a present or former legal hold or keep flag, and not expired. */
export interface HeldRequest {
  id: number;
  method: string;
  systemIdentifier: string;
  startLsn: string;
  startedAt: Date;
  /** The origin of this database. */
  origin: string;
  keep: boolean;
  /** When the keep flag was changed; null: the flag is as requested. */
  keepChangedAt: string | null;
  /** When the keep flag got its present value. */
  keptSince: string;
  requestedBy: string;
  holds: KnownHold[];
}

/** The requests of a cluster with present or former holds. */
export async function heldRequests(db: Connection, cluster: string): Promise<HeldRequest[]> {
  const rows = await db.run('retention', 'holds', { cluster });
  return rows.map((row) => ({ ...row, id: Number(row.id) }) as HeldRequest);
}

/** A hold that is stored beside a backup in the repository. */
export interface RecalledHold {
  id: number;
  systemIdentifier: string;
  startLsn: string;
  kind: string;
  reason: string;
  by: string;
  login: string;
  at: string;
}

/**
 * Records a hold again that lies beside a backup but is not in this database. Returns false: the database does not
 * have the request, or has the hold already.
 */
export async function recallHold(db: Connection, hold: RecalledHold): Promise<boolean> {
  const { id, systemIdentifier, startLsn, kind, reason, by, login, at } = hold;
  const backup = { id, system_identifier: systemIdentifier, start_lsn: startLsn };
  const [row] = await db.run('retention', 'recall', { ...backup, kind, reason, by, login, at });
  return row?.recalled === true;
}
