/** Which control database this is, and which repository its clusters have. */
import { HoldfastError } from '../errors.ts';
import { ServerError, type Connection } from '../database/connection.ts';
import { refuseRecovery } from './refusals.ts';

export interface DatabaseOrigin {
  origin: string;
  /** Whether somebody has said that this one is in charge. */
  confirmed: boolean;
  confirmedOrigin: string;
  confirmedBy: string;
  confirmedAt: Date;
}

/** What the control database knows of a cluster's repository. */
export interface KnownRepository {
  /** Of this control database. */
  origin: string;
  confirmed: boolean;
  /** null: none has been used yet. */
  id: string | null;
  token: string | null;
  /** Tokens that may be in the repository, as their writers were killed or are at work. */
  pending: string[];
  /** Whether the repository of that id is to be taken over, whoever has used it. */
  takenOver: boolean;
  /** When the token was last renewed; null: never. */
  usedAt: Date | null;
  /** Whether the token was last renewed so long ago that a worker renews it. */
  isDue: boolean;
}

/** A cluster, with what keeps workers from its repository. */
export interface RepositoryProblem {
  name: string;
  id: string | null;
  /** null: nothing. */
  problem: string | null;
}

/** A copy that is complete and not expired, and not in the repository. */
export interface MissingBackup {
  id: number;
  cluster: string;
  /** Seconds. */
  ago: number;
}

/** One that runs once the database is adopted. */
export interface WaitingSchedule {
  name: string;
  cluster: string;
  kind: string;
  cron: string;
  timeZone: string;
}

export async function controlIdentity(db: Connection): Promise<DatabaseOrigin> {
  const [row] = await db.run<DatabaseOrigin>('repository', 'origin');
  if (row === undefined) throw new Error('the table confirmed_origin is empty');
  return row;
}

/** @throws HoldfastError `origin_not_confirmed` */
export async function requireConfirmedOrigin(db: Connection, what: string): Promise<void> {
  try {
    await db.run('repository', 'require_origin', { what });
  } catch (error) {
    if (!(error instanceof ServerError) || error.code !== 'HF021') throw error;
    throw originNotConfirmed(error.message, error.hint, error);
  }
}

function originNotConfirmed(message: string, hint: string | undefined, cause: unknown): HoldfastError {
  return new HoldfastError('failed', message, {
    code: 'origin_not_confirmed',
    hint: hint ?? 'run "holdfast adopt" if this one is in charge from now on',
    cause,
  });
}

/** Returns the origin that is in charge from now on. */
export async function adopt(db: Connection): Promise<string> {
  const [row] = await db.run('repository', 'adopt');
  return String(row?.origin);
}

/** Before anybody is asked for a yes. @throws HoldfastError `insufficient_privilege`, `control_in_recovery` */
export async function requireMayAdopt(db: Connection, schema: string): Promise<void> {
  const [row] = await db.run<{ login: string; role: string; may: boolean }>('repository', 'may_adopt', {
    schema,
  });
  if (row?.may === false) {
    const { login, role } = row;
    const who = login === role ? `login "${login}"` : `login "${login}", as role "${role}",`;
    throw new HoldfastError('failed', `${who} may not adopt this control database`, {
      code: 'insufficient_privilege',
      hint: `have role "${role}" granted "${schema}_operator"`,
    });
  }
  await refuseRecovery(db);
}

/** Gives a cluster that repository. */
export async function adoptRepository(db: Connection, cluster: string, id: string): Promise<void> {
  await db.run('repository', 'adopt_repository', { cluster, id });
}

export function schedulesThatFollow(db: Connection): Promise<WaitingSchedule[]> {
  return db.run<WaitingSchedule>('repository', 'schedules_that_follow');
}

export function missingBackups(db: Connection): Promise<MissingBackup[]> {
  return db.run<MissingBackup>('repository', 'missing');
}

/** The clusters, and why workers do not write to their repositories. */
export function repositoryProblems(db: Connection): Promise<RepositoryProblem[]> {
  return db.run<RepositoryProblem>('repository', 'clusters');
}

/** undefined: the database has no such cluster. */
export async function knownRepository(db: Connection, cluster: string): Promise<KnownRepository | undefined> {
  const [row] = await db.run<KnownRepository>('repository', 'look', { cluster });
  return row;
}

/**
 * Before it is written to the repository, where `found` is now: one that was pending is pending no longer. Returns the
 * time of the database.
 */
export async function announceToken(
  db: Connection,
  { cluster, token, found }: { cluster: string; token: string; found: string | null },
): Promise<Date> {
  const [row] = await db.run<{ now: Date }>('repository', 'announce', { cluster, token, found });
  return row?.now ?? new Date();
}

/**
 * After `token` has been written to the repository of that id: `readBack` says what is there now. False: somebody else's
 * is there by now, or the cluster has been given another repository.
 */
export function confirmToken(
  db: Connection,
  { cluster, id, token }: { cluster: string; id: string; token: string },
  readBack: () => Promise<string | null | undefined>,
): Promise<boolean> {
  return db.transaction(async () => {
    const [row] = await db.run<Pick<KnownRepository, 'id' | 'token' | 'pending'>>('repository', 'lock', {
      cluster,
    });
    const found = await readBack();
    if (row !== undefined && row.id !== null && row.id !== id) return false;
    const ours = row === undefined ? [] : [token, row.token, ...row.pending];
    if (found === undefined || found === null || !ours.includes(found)) return false;
    await db.run('repository', 'confirm', { cluster, id, token, found });
    return true;
  });
}

/** null: there is none. */
export async function complainOfRepository(
  db: Connection,
  cluster: string,
  problem: string | null,
): Promise<void> {
  await db.run('repository', 'complain', { cluster, problem });
}

/** The copies that should be in the repository. */
export async function completeCopies(db: Connection, cluster: string): Promise<number[]> {
  const rows = await db.run('repository', 'complete', { cluster });
  return rows.map(({ id }) => Number(id));
}

export async function noteMissing(db: Connection, cluster: string, ids: readonly number[]): Promise<void> {
  await db.transaction(async () => {
    await db.run('repository', 'forget_found', { cluster, ids });
    if (ids.length > 0) await db.run('repository', 'note_missing', { cluster, ids });
  });
}
