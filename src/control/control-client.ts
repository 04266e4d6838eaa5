/** What a client asks for: to start, stop or cancel a backup, and for its label. */
import { HoldfastError, messageOf } from '../errors.ts';
import { Connection, ServerError, type ConnectOptions } from '../database/connection.ts';
import { explained } from './refusals.ts';
import type { BackupState } from './backup-states.ts';

export interface StartRequest {
  label: string | null;
  cluster: string;
  method: string;
  /** Bytes a second; null: no limit. */
  rateLimit: number | null;
  /** zstd's; null: the worker's default. */
  compressLevel: number | null;
  fast: boolean;
  waitForArchive: boolean;
  /** Milliseconds; null: the worker's default; 0: no limit. */
  holdTimeout: number | null;
  keep: boolean;
  /** JSON. */
  annotations: string | null;
  /** Milliseconds; null: none. */
  timeout: number | null;
}

/** A backup by its id, or by the label of an active one. */
export interface WhichBackup {
  id: number | null;
  label: string | null;
  cluster: string;
  /** Milliseconds; null: none. */
  timeout: number | null;
}

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
  bytes: Buffer | null;
  tablespaceMap: Buffer | null;
}

/** Does `work` with a connection of its own, which no server setting ends. */
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

/** The same, where Holdfast has to be installed; if it is not, or is closed to us, the error says so. `roles` may do it. */
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

/** Resolves once it is safe to copy. @throws HoldfastError `duplicate_label` */
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
      'the request may live on: look for it with "holdfast status", then copy or cancel it',
    );
  }
}

/** Resolves once a backup that finishes by itself is complete. `timeout`: milliseconds; null: none. */
export async function callWaitForBackup(db: Connection, id: number, timeout: number | null): Promise<void> {
  try {
    await db.run('client', 'wait', { id, timeout: interval(timeout) });
  } catch (error) {
    throw whileWaiting(db, error, `it goes on by itself: look for it with "holdfast status ${id}"`);
  }
}

/** Resolves with the request's id once the backup is complete; its label is then to be fetched. */
export async function callStopBackup(db: Connection, which: WhichBackup): Promise<number> {
  try {
    const [row] = await db.run('client', 'stop', parameters(which));
    return Number(row?.id);
  } catch (error) {
    throw whileWaiting(
      db,
      error,
      'the backup may end by itself: look for it with "holdfast status", or stop it again by its id',
    );
  }
}

export async function cancelBackup(db: Connection, which: WhichBackup): Promise<number> {
  const [row] = await db.run('client', 'cancel', parameters(which));
  return Number(row?.id);
}

/** undefined when there is no such request. */
export async function storedLabel(db: Connection, id: number): Promise<StoredLabel | undefined> {
  const [row] = await db.run<StoredLabel>('client', 'stored_label', { id }, { timeout: 30_000 });
  return row;
}

/**
 * Does `work`, which runs one statement that waits; when the signal is aborted, the statement is cancelled on
 * the server, from a second connection, and fails in its own words.
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

/** The time by the database's clock, in full. */
export async function databaseTime(db: Connection): Promise<string> {
  const [row] = await db.run<{ now: string }>('client', 'clock');
  return String(row?.now);
}

/** What this login's start_backup requested since then, and nobody waits for any more: labels are unique while they live. */
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

/** A lost connection, or a server that is about to close it (class 57P), leaves open what became of the request. */
function whileWaiting(db: Connection, error: unknown, hint: string): unknown {
  const closing = error instanceof ServerError && error.code?.startsWith('57P') === true;
  if (!db.isLost && !closing) return error;
  return new HoldfastError(
    'failed',
    `the control database was lost while waiting for it: ${messageOf(error)}`,
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
    hint: 'finish that one with "holdfast stop", or cancel it with "holdfast cancel"; or use another label',
  });
}
