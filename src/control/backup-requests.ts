/** Backup requests, as a worker reads and moves them. */
import type { Connection } from '../database/connection.ts';
import type { BackupState } from './backup-states.ts';

/** What a request says of itself for good. */
interface RequestedBackup {
  id: number;
  cluster: string;
  label: string;
  method: string;
  waitForArchive: boolean;
}

export interface WaitingRequest extends RequestedBackup {
  requestedBy: string;
  /** null: a schedule's, which a worker's login has requested in its owner's name. */
  requestedLogin: string | null;
}

export interface ClaimedRequest extends RequestedBackup {
  fast: boolean;
  /** Milliseconds; null: the worker's default; 0: no limit. */
  holdTimeout: number | null;
  /** Bytes a second; null: no limit. */
  rateLimit: number | null;
  /** zstd's; null: the worker's default. */
  compressLevel: number | null;
  /** The session's lock cannot be seen on the control server: this lock there stands for it. */
  witnessKey: string | null;
}

export interface HolderOfSession {
  worker: string;
  instance: string;
  pid: number;
  backendStart: string;
  /** Advisory lock keys are 64-bit, so text. */
  lockKey: string;
  /** The role that the session logged in as. */
  login: number;
  database: number;
  /** Taken on the control server where the session's own lock cannot be seen there. */
  witnessKey: string;
  companionPid: number;
  companionKey: string;
}

/** A request that is not over; of those that wait to start, one of each cluster. */
export interface UnfinishedRequest {
  id: number;
  cluster: string;
  state: BackupState;
  /** The run of the worker that holds it. */
  instance: string | null;
  workerAlive: boolean;
  /** It was inserted before this database was restored. */
  restored: boolean;
  /** The start_backup that it was made by does not hold its lock: it is over, or between two polls. */
  callerGone: boolean;
}

/** What it takes to carry on with a request that a dead worker left. */
export interface AbandonedRequest {
  id: number;
  cluster: string;
  state: BackupState;
  label: string;
  method: string;
  waitForArchive: boolean;
  pid: number;
  lockKey: string;
  login: number | null;
  here: boolean;
  companionPid: number | null;
  companionKey: string | null;
  startLsn: string | null;
  startWal: string | null;
  stopWal: string | null;
  systemIdentifier: string | null;
  serverVersion: string | null;
  timeline: number | null;
  startedAt: Date | null;
  tablespaces: Buffer | null;
}

export interface BackupStart {
  startLsn: string;
  startWal: string;
  timeline: number;
  systemIdentifier: string;
  serverVersion: string;
  tablespaces: Buffer | null;
}

export interface BackupStop {
  stopLsn: string;
  stopWal: string;
  label: Buffer;
  tablespaceMap: Buffer | null;
}

export interface RecordedFailure {
  code: string;
  message: string;
  hint: string | null;
}

/** The first request of every role and login in every cluster that waits, oldest first. */
export function waitingRequests(
  db: Connection,
  clusters: string[],
  notThese: number[],
  maxCopies: number,
): Promise<WaitingRequest[]> {
  const values = { clusters, not_these: notThese, max_copies: maxCopies };
  return db.run<WaitingRequest>('backup_request', 'waiting', values);
}

/** Makes a request ours, in state starting; undefined when somebody was quicker or it was cancelled. */
export async function claimRequest(
  db: Connection,
  id: number,
  holder: HolderOfSession,
): Promise<ClaimedRequest | undefined> {
  const [claimed] = await db.run<ClaimedRequest>('backup_request', 'claim', {
    id,
    worker: holder.worker,
    instance: holder.instance,
    pid: holder.pid,
    backend_start: holder.backendStart,
    lock_key: holder.lockKey,
    login: holder.login,
    database: holder.database,
    witness_key: holder.witnessKey,
    companion_pid: holder.companionPid,
    companion_key: holder.companionKey,
  });
  return claimed;
}

/** Every move is made from one state only; false when the request was not (or no longer) in it. */
export async function markRunning(db: Connection, id: number, start: BackupStart): Promise<boolean> {
  const moved = await db.run('backup_request', 'mark_running', {
    id,
    start_lsn: start.startLsn,
    start_wal: start.startWal,
    timeline: start.timeline,
    system_identifier: start.systemIdentifier,
    server_version: start.serverVersion,
    tablespaces: start.tablespaces,
  });
  return moved.length > 0;
}

/** For a method with which the worker itself copies. */
export async function markDone(db: Connection, id: number): Promise<boolean> {
  const moved = await db.run('backup_request', 'mark_done', { id });
  return moved.length > 0;
}

/** Of stage copy, in bytes. */
export async function recordProgress(
  db: Connection,
  id: number,
  { expected, done }: { expected: number; done: number },
): Promise<void> {
  await db.run('backup_request', 'record_progress', { id, expected, done });
}

export async function markArchiving(db: Connection, id: number, stop: BackupStop): Promise<boolean> {
  const moved = await db.run('backup_request', 'mark_archiving', {
    id,
    stop_lsn: stop.stopLsn,
    stop_wal: stop.stopWal,
    backup_label: stop.label,
    tablespace_map: stop.tablespaceMap,
  });
  return moved.length > 0;
}

/** Whether the WAL of a backup was seen in its archive, and what is to be known of a no; null: it cannot be known. */
export interface Archived {
  seen: boolean | null;
  warning: string | null;
}

export async function markComplete(
  db: Connection,
  id: number,
  { seen, warning }: Archived,
): Promise<boolean> {
  const moved = await db.run('backup_request', 'mark_complete', { id, archive_seen: seen, warning });
  return moved.length > 0;
}

/** From any state that is not terminal. */
export async function markFailed(db: Connection, id: number, failure: RecordedFailure): Promise<boolean> {
  const { code, message, hint } = failure;
  const moved = await db.run('backup_request', 'mark_failed', { id, code, message, hint });
  return moved.length > 0;
}

/** While nobody has taken it. */
export async function failWaiting(db: Connection, id: number, failure: RecordedFailure): Promise<boolean> {
  const { code, message, hint } = failure;
  const moved = await db.run('backup_request', 'fail_waiting', { id, code, message, hint });
  return moved.length > 0;
}

export async function addWarning(db: Connection, id: number, warning: string): Promise<void> {
  await db.run('backup_request', 'add_warning', { id, warning });
}

/** Those that are recorded already stay as they are. */
export async function recordDamagedPages(
  db: Connection,
  id: number,
  pages: { file: string; block: number }[],
): Promise<void> {
  await db.run('backup_request', 'record_damaged_pages', { id, pages: JSON.stringify(pages) });
}

export async function describeStage(db: Connection, id: number, detail: string | null): Promise<void> {
  await db.run('backup_request', 'describe_stage', { id, detail });
}

/** What keeps a worker from taking it; null: nothing any more. */
export async function describeWait(db: Connection, id: number, detail: string | null): Promise<void> {
  await db.run('backup_request', 'describe_wait', { id, detail });
}

/** undefined when there is no such request. */
export async function stateOf(db: Connection, id: number): Promise<BackupState | undefined> {
  const [row] = await db.run<{ state: BackupState }>('backup_request', 'state', { id });
  return row?.state;
}

/** What a worker looks at every few seconds, in one query. */
export function unfinishedRequests(db: Connection): Promise<UnfinishedRequest[]> {
  return db.run<UnfinishedRequest>('backup_request', 'live');
}

/** Fails what this database brought along from its own past, when it was restored; the ids. */
export async function failRestored(db: Connection): Promise<number[]> {
  const rows = await db.run<{ id: number }>('backup_request', 'fail_restored');
  return rows.map(({ id }) => id);
}

export async function abandonedRequest(db: Connection, id: number): Promise<AbandonedRequest | undefined> {
  const [row] = await db.run<AbandonedRequest>('backup_request', 'abandoned', { id });
  return row;
}

/** Makes a dead worker's request ours; false when another worker was quicker. */
export async function adoptRequest(
  db: Connection,
  id: number,
  worker: string,
  instance: string,
): Promise<boolean> {
  const adopted = await db.run('backup_request', 'adopt', { id, worker, instance });
  return adopted.length > 0;
}

/** Whether that backend of the control server holds that lock in that database. */
export async function lockIsHeldHere(db: Connection, id: number): Promise<boolean> {
  const [row] = await db.run('backup_request', 'lock_is_held_here', { id });
  return row?.held === true;
}
