/** The identity of the control database, and the repositories of its clusters. */
import { quoteIdentifier } from '../database/sql-script.ts';
import { HoldfastError } from '../errors.ts';
import { ServerError, type Connection } from '../database/connection.ts';
import { refuseRecovery } from './refusals.ts';
import type { RecordedBackup } from '../repository/recorded-backup.ts';

/** Which database this is, and which database is in charge. */
export interface DatabaseOrigin {
  /** The origin of this database. */
  origin: string;
  /** Whether an operator has confirmed that this database is in charge. */
  confirmed: boolean;
  /** The origin of the database that is in charge. */
  confirmedOrigin: string;
  confirmedBy: string;
  confirmedAt: Date;
}

/** The repository of a cluster, as the control database knows the repository. */
export interface KnownRepository {
  /** The origin of this control database. */
  origin: string;
  confirmed: boolean;
  /** null: no repository has been used yet. */
  id: string | null;
  /** The last confirmed token; null: none. */
  token: string | null;
  /** Tokens that may be in the repository: their writers were killed, or are still writing. */
  pending: string[];
  /** Whether the repository with this ID is to be taken over, even if another database has used the repository. */
  takenOver: boolean;
  /** When the token was last renewed; null: never. */
  usedAt: Date | null;
  /** Why workers do not write to the repository, as recorded; null: no reason. */
  problem: string | null;
  /** Whether a worker has to renew the token: the last renewal is long ago, or the token is wanted. */
  isDue: boolean;
  /** Whether somebody waits for the token to be renewed (see wantToken()). */
  isWanted: boolean;
}

/** A cluster, and why workers do not write to its repository. */
export interface RepositoryProblem {
  name: string;
  id: string | null;
  /** null: workers write to the repository. */
  problem: string | null;
}

/** A copy that is complete and not expired, but missing in the repository. */
export interface MissingBackup {
  id: number;
  cluster: string;
  /** Seconds since the copy was found missing. */
  ago: number;
  /** The requests of the incremental copies that cannot be restored without this copy. */
  lost: number[];
}

/** A schedule that runs again once the database is adopted. */
export interface WaitingSchedule {
  name: string;
  cluster: string;
  kind: string;
  cron: string;
  timeZone: string;
}

/** Returns the origin of this database, and the confirmed origin. */
export async function controlIdentity(db: Connection): Promise<DatabaseOrigin> {
  const [row] = await db.run<DatabaseOrigin>('repository', 'origin');
  if (row === undefined) throw new Error('the table confirmed_origin is empty');
  return row;
}

/**
 * Refuses a database that is not in charge. `what`: the work that is refused, for the message.
 * @throws HoldfastError `origin_not_confirmed`
 */
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
    hint: hint ?? 'run "holdfast adopt" if this control database is in charge from now on',
    cause,
  });
}

/** Puts this database in charge. Returns its origin. */
export async function adopt(db: Connection): Promise<string> {
  const [row] = await db.run('repository', 'adopt');
  return String(row?.origin);
}

/**
 * Checks the privileges before the user is asked for a confirmation.
 * @throws HoldfastError `insufficient_privilege`, `control_in_recovery`
 */
export async function requireMayAdopt(db: Connection, schema: string): Promise<void> {
  const [row] = await db.run<{ login: string; role: string; may: boolean }>('repository', 'may_adopt', {
    schema,
  });
  if (row?.may === false) {
    const { login, role } = row;
    const who = login === role ? `login "${login}"` : `login "${login}", as role "${role}",`;
    throw new HoldfastError('failed', `${who} may not adopt this control database`, {
      code: 'insufficient_privilege',
      hint: `type as a superuser: GRANT ${quoteIdentifier(`${schema}_operator`)} TO ${quoteIdentifier(role)}`,
    });
  }
  await refuseRecovery(db);
}

/** Makes the repository with this ID the repository of the cluster. */
export async function adoptRepository(db: Connection, cluster: string, id: string): Promise<void> {
  await db.run('repository', 'adopt_repository', { cluster, id });
}

/** The schedules that run again once the database is adopted. */
export function schedulesThatFollow(db: Connection): Promise<WaitingSchedule[]> {
  return db.run<WaitingSchedule>('repository', 'schedules_that_follow');
}

/** The copies that are missing in the repositories. */
export function missingBackups(db: Connection): Promise<MissingBackup[]> {
  return db.run<MissingBackup>('repository', 'missing');
}

/** All clusters, with the reasons why workers do not write to their repositories. */
export function repositoryProblems(db: Connection): Promise<RepositoryProblem[]> {
  return db.run<RepositoryProblem>('repository', 'clusters');
}

/** undefined: the database does not have this cluster. */
export async function knownRepository(db: Connection, cluster: string): Promise<KnownRepository | undefined> {
  const [row] = await db.run<KnownRepository>('repository', 'look', { cluster });
  return row;
}

/**
 * Asks the worker in charge of the cluster's repository to renew the token. Returns false where no such worker lives, this
 * session's own aside.
 */
export async function wantToken(db: Connection, cluster: string): Promise<boolean> {
  const [row] = await db.run<{ asked: boolean }>('repository', 'want', { cluster });
  return row?.asked === true;
}

/**
 * Records a token before the token is written to the repository. `found`: the token that is in the repository now;
 * a pending token that was found there is no longer pending. Returns the time of the database.
 */
export async function announceToken(
  db: Connection,
  { cluster, token, found }: { cluster: string; token: string; found: string | null },
): Promise<Date> {
  const [row] = await db.run<{ now: Date }>('repository', 'announce', { cluster, token, found });
  return row?.now ?? new Date();
}

/**
 * Confirms a token after the token has been written to the repository `id`. `readBack` returns the token in the
 * repository now. Resolves with false if the repository has the token of another database by now, or the cluster
 * has been given another repository.
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

/** Records why workers do not write to the repository of a cluster; null: no reason. */
export async function complainOfRepository(
  db: Connection,
  cluster: string,
  problem: string | null,
): Promise<void> {
  await db.run('repository', 'complain', { cluster, problem });
}

/** The copies of a cluster. */
export interface KnownCopies {
  /** The copies that are complete and not expired, in ascending order of their ids. */
  complete: RecordedBackup[];
  /** Ids of the copies that are recorded as missing in the repository, in ascending order. */
  missing: string[];
}

/** Reads which copies of a cluster should be in the repository, and which of them are recorded as missing. */
export async function knownCopies(db: Connection, cluster: string): Promise<KnownCopies> {
  const [row] = await db.run<KnownCopies & object>('repository', 'copies', { cluster });
  return row ?? { complete: [], missing: [] };
}

/** Records the copies that are missing in the repository, and forgets copies that have been found again. */
export async function noteMissing(db: Connection, cluster: string, ids: readonly string[]): Promise<void> {
  await db.transaction(async () => {
    await db.run('repository', 'forget_found', { cluster, ids });
    if (ids.length > 0) await db.run('repository', 'note_missing', { cluster, ids });
  });
}
