/** The legal holds and keeps of a cluster's backups, as the control database knows them. */
import type { Connection } from '../database/connection.ts';

export interface KnownHold {
  reason: string;
  by: string;
  login: string;
  /** With microseconds: 2026-11-28T23:59:59.123456Z. */
  at: string;
  released: boolean;
}

/** A request that is or was held or kept, and has not expired. */
export interface HeldRequest {
  id: number;
  method: string;
  systemIdentifier: string;
  startLsn: string;
  startedAt: Date;
  /** Of this database. */
  origin: string;
  keep: boolean;
  /** null: it is what it was requested with. */
  keepChangedAt: string | null;
  keptSince: string;
  requestedBy: string;
  holds: KnownHold[];
}

export async function heldRequests(db: Connection, cluster: string): Promise<HeldRequest[]> {
  const rows = await db.run('retention', 'holds', { cluster });
  return rows.map((row) => ({ ...row, id: Number(row.id) }) as HeldRequest);
}

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

/** Has the database know again what lies beside a backup. false: it does not know the request, or knows it already. */
export async function recallHold(db: Connection, hold: RecalledHold): Promise<boolean> {
  const { id, systemIdentifier, startLsn, kind, reason, by, login, at } = hold;
  const backup = { id, system_identifier: systemIdentifier, start_lsn: startLsn };
  const [row] = await db.run('retention', 'recall', { ...backup, kind, reason, by, login, at });
  return row?.recalled === true;
}
