/** The functions that a client calls: to start, stop or cancel a backup, and to fetch its label. */
import { HoldfastError, messageOf } from '../errors.ts';
import { Connection, ServerError, type ConnectOptions } from '../database/connection.ts';
import { explained } from './refusals.ts';
import type { BackupState } from './backup-states.ts';

/** The arguments of start_backup. */
export interface StartRequest {
  /** null: the database makes a label. */
  label: string | null;
  cluster: string;
  method: string;
  /** Bytes per second; null: no limit. */
  rateLimit: number | null;
  /** zstd compression level; null: the default of the worker. */
  compressLevel: number | null;
  /** With method copy: whether only what has changed since an earlier copy is to be copied, if possible. */
  incremental: boolean;
  fast: boolean;
  waitForArchive: boolean;
  /** Milliseconds; null: the default of the worker; 0: no limit. */
  holdTimeout: number | null;
  /** Whether retention must keep the backup. */
  keep: boolean;
  /** JSON; null: none. */
  annotations: string | null;
  /** Milliseconds to wait for the start; null: no limit. */
  timeout: number | null;
}

/** A backup by its ID, or by the label of an active backup. */
export interface WhichBackup {
  id: number | null;
  label: string | null;
  cluster: string;
  /** Milliseconds; null: no limit. */
  timeout: number | null;
}

/** A request with its label. Values that are not known yet are null. */
export interface StoredLabel {
  id: number;
  cluster: string;
  label: string;
  state: BackupState;
  timeline: number | null;
  serverVersion: string | null;
  systemIdentifier: string | null;
  startedAt: Date | null;
  stoppedAt: Date | null;
  startLsn: string | null;
  startWal: string | null;
  stopLsn: string | null;
  stopWal: string | null;
  /** The content of backup_label. */
  bytes: Buffer | null;
  tablespaceMap: Buffer | null;
}

/** Calls `work` with a new connection without timeouts, and closes the connection. */
export async function withConnection<T>(
  options: ConnectOptions,
  work: (db: Connection) => Promise<T>,
): Promise<T> {
  const db = await Connection.open({ ...options, lasting: true });
  try {
    return await work(db);
  } finally {
    await db.close();
  }
}

/**
 * Like withConnection, for a database with Holdfast installed. Errors about a missing installation or a missing
 * privilege get a hint. `roles`: the roles that have the privilege.
 */
export function withControl<T>(
  options: ConnectOptions,
  work: (db: Connection) => Promise<T>,
  roles?: string,
): Promise<T> {
  return withConnection(options, async (db) => {
    try {
      return await work(db);
    } catch (error) {
      throw await explained(db, options.schema ?? 'holdfast', error, roles);
    }
  });
}

/** Calls start_backup. Resolves once the client may copy. @throws HoldfastError `duplicate_label` */
export async function callStartBackup(
  db: Connection,
  request: StartRequest,
): Promise<{ id: number; startLsn: string }> {
  try {
    const [row] = await db.run('client', 'start', {
      label: request.label,
      cluster: request.cluster,
      method: request.method,
      rate_limit: request.rateLimit,
      compress_level: request.compressLevel,
      incremental: request.incremental,
      fast: request.fast,
      wait_for_archive: request.waitForArchive,
      hold_timeout: interval(request.holdTimeout),
      keep: request.keep,
      annotations: request.annotations,
      timeout: interval(request.timeout),
    });
    return { id: Number(row?.id), startLsn: String(row?.start_lsn) };
  } catch (error) {
    if (isDuplicateLabel(error)) throw await duplicateLabel(db, request.cluster, request.label ?? '');
    throw whileWaiting(
      db,
      error,
      'look for the request with "holdfast status", as it may live on, then copy or cancel it',
    );
  }
}

/** Resolves once a backup that finishes by itself is complete. `timeout`: milliseconds; null: no limit. */
export async function callWaitForBackup(db: Connection, id: number, timeout: number | null): Promise<void> {
  try {
    await db.run('client', 'wait', { id, timeout: interval(timeout) });
  } catch (error) {
    throw whileWaiting(db, error, `look for the backup with "holdfast status ${id}": it goes on by itself`);
  }
}

/**
 * Calls stop_backup. Resolves with the ID of the request once the backup is complete; the label can be fetched
 * then.
 */
export async function callStopBackup(db: Connection, which: WhichBackup): Promise<number> {
  try {
    const [row] = await db.run('client', 'stop', parameters(which));
    return Number(row?.id);
  } catch (error) {
    throw whileWaiting(
      db,
      error,
      'look for the backup with "holdfast status", as it may end by itself, or stop it again by its id',
    );
  }
}

/** Resolves with the ID and the state of the request that is meant. Rejects as stop_backup does if there is none. */
export async function activeState(
  db: Connection,
  { id, label, cluster }: WhichBackup,
): Promise<{ id: number; state: string }> {
  const [row] = await db.run<{ id: number; state: string }>('client', 'active_state', { id, label, cluster });
  return { id: Number(row?.id), state: String(row?.state) };
}

/** Cancels a backup. Resolves with the ID of the request. */
export async function cancelBackup(db: Connection, which: WhichBackup): Promise<number> {
  const [row] = await db.run('client', 'cancel', parameters(which));
  return Number(row?.id);
}

/** undefined: the request does not exist. */
export async function storedLabel(db: Connection, id: number): Promise<StoredLabel | undefined> {
  const [row] = await db.run<StoredLabel>('client', 'stored_label', { id }, { timeout: 30_000 });
  return row;
}

/**
 * Calls `work`, which runs one waiting statement. When the signal is aborted, a second connection cancels the
 * statement on the server, and `work` fails with the error of the server.
 */
export async function interruptible<T>(
  db: Connection,
  options: ConnectOptions,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const [row] = await db.run('client', 'backend');
  let interrupted: Promise<void> | undefined;
  const interrupt = () => {
    interrupted = cancelQuery(options, Number(row?.pid)).catch((error: unknown) =>
      db.cut(new Error(`interrupted, but the server cannot be told: ${messageOf(error)}`)),
    );
  };
  signal.throwIfAborted();
  signal.addEventListener('abort', interrupt, { once: true });
  try {
    return await work();
  } finally {
    signal.removeEventListener('abort', interrupt);
    await interrupted;
  }
}

/** The time of the control database, with microseconds. */
export async function databaseTime(db: Connection): Promise<string> {
  const [row] = await db.run<{ now: string }>('client', 'clock');
  return String(row?.now);
}

/**
 * Finds an active request by label that start_backup made for this login since the given time, and whose client
 * may no longer be waiting. Labels are unique among active requests.
 */
export async function requestedSince(
  db: Connection,
  { cluster, label }: Pick<StartRequest, 'cluster' | 'label'>,
  since: string,
): Promise<number | undefined> {
  const [row] = await db.run<{ id: number }>('client', 'requested_since', { cluster, label, since });
  return row?.id;
}

async function cancelQuery(options: ConnectOptions, pid: number): Promise<void> {
  const { onNotice: _, ...quiet } = options;
  const db = await Connection.open(quiet);
  try {
    await db.run('client', 'interrupt', { pid }, { timeout: 10_000 });
  } finally {
    await db.close();
  }
}

/**
 * Adds a hint to the error of a lost connection. The outcome of the request is unknown then. A server that is
 * about to close the connection (class 57P) counts as lost.
 */
function whileWaiting(db: Connection, error: unknown, hint: string): unknown {
  const closing = error instanceof ServerError && error.code?.startsWith('57P') === true;
  if (!db.isLost && !closing) return error;
  return new HoldfastError(
    'failed',
    `the control database was lost while the command waited: ${messageOf(error)}`,
    {
      code: 'connection_lost',
      hint,
      cause: error,
    },
  );
}

function parameters({ id, label, cluster, timeout }: WhichBackup) {
  return { id, label, cluster, timeout: interval(timeout) };
}

function interval(milliseconds: number | null): string | null {
  return milliseconds === null ? null : `${milliseconds} ms`;
}

function isDuplicateLabel(error: unknown): boolean {
  return (
    error instanceof ServerError &&
    error.code === '23505' &&
    error.constraint === 'one_active_request_per_label'
  );
}

async function duplicateLabel(db: Connection, cluster: string, label: string): Promise<HoldfastError> {
  const [holder] = await db.run('client', 'holder_of_label', { cluster, label });
  const who =
    holder === undefined ? 'another backup request' : `backup request ${holder.id}, which is ${holder.state}`;
  return new HoldfastError('failed', `label "${label}" of cluster "${cluster}" is in use by ${who}`, {
    code: 'duplicate_label',
    hint: 'finish that request with "holdfast stop", cancel it with "holdfast cancel", or use another label',
  });
}
