/**
 * Backup requests, as workers read and move them. Functions that move a request return false if the request was
 * not (or no longer) in the state from which the move is allowed.
 */
import type { Connection } from '../database/connection.ts';
import type { BackupStart, BackupStop } from '../postgres/backup-facts.ts';
import type { DamagedPage } from '../repository/repository-backup.ts';
import type { BackupState } from './backup-states.ts';

/** The columns of a request that never change. */
interface RequestedBackup {
  id: number;
  cluster: string;
  label: string;
  method: string;
  waitForArchive: boolean;
}

/** A request in state requested. */
export interface WaitingRequest extends RequestedBackup {
  requestedBy: string;
  /**
   * The login of the requester; null: a schedule requested the backup, through the login of a worker in the name
   * of the owner.
   */
  requestedLogin: string | null;
}

/** A request that a worker has claimed. */
export interface ClaimedRequest extends RequestedBackup {
  fast: boolean;
  /** Milliseconds; null: the default of the worker; 0: no limit. */
  holdTimeout: number | null;
  /** Bytes per second; null: no limit. */
  rateLimit: number | null;
  /** zstd compression level; null: the default of the worker. */
  compressLevel: number | null;
  /** Whether only what has changed since an earlier copy is to be copied, where that is possible. */
  incremental: boolean;
  /** Key of the proxy lock on the control server; null: the lock of the backup session can be seen there. */
  proxyKey: string | null;
}

/** The worker and the backup session that claim a request. */
export interface HolderOfSession {
  worker: string;
  instance: string;
  pid: number;
  backendStart: string;
  /** Advisory lock keys have 64 bits, so the key is text. */
  lockKey: string;
  /** OID of the role that the session logged in as. */
  login: number;
  database: number;
  /** Key of the proxy lock, which is held on the control server if the session's own lock cannot be seen there. */
  proxyKey: string;
  /** Of the monitor session. */
  monitorPid: number;
  monitorKey: string;
}

/** A request that is not over. Of the requests in state requested, only the oldest of each cluster. */
export interface UnfinishedRequest {
  id: number;
  cluster: string;
  state: BackupState;
  /** The instance of the worker that has the request; null: no worker has the request. */
  instance: string | null;
  workerAlive: boolean;
  /** Whether the request was inserted before this database was restored. */
  restored: boolean;
  /**
   * Whether the start_backup call of the request no longer holds its lock: the call is over, or between two polls.
   */
  callerGone: boolean;
}

/** A request of a dead worker, for the worker that continues the request. */
export interface AbandonedRequest extends RequestedBackup {
  state: BackupState;
  pid: number;
  lockKey: string;
  login: number | null;
  here: boolean;
  monitorPid: number | null;
  monitorKey: string | null;
  /** undefined: the row does not have the result of pg_backup_start. */
  start: BackupStart | undefined;
  /** undefined: the row does not have the label. */
  stop: Omit<BackupStop, 'label' | 'tablespaceMap'> | undefined;
}

/** The error columns of a request. */
export interface RecordedFailure {
  code: string;
  message: string;
  hint: string | null;
}

/**
 * The oldest waiting request of every role and login in every cluster. Requests `notThese` and copies of
 * requesters with `maxCopies` copies under way are left out.
 */
export function waitingRequests(
  db: Connection,
  clusters: string[],
  notThese: number[],
  maxCopies: number,
): Promise<WaitingRequest[]> {
  const values = { clusters, not_these: notThese, max_copies: maxCopies };
  return db.run<WaitingRequest>('backup_request', 'waiting', values);
}

/** From state requested, for this worker; undefined: another worker was faster, or the request was cancelled. */
export async function markStarting(
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
    proxy_key: holder.proxyKey,
    monitor_pid: holder.monitorPid,
    monitor_key: holder.monitorKey,
  });
  return claimed;
}

/** From state starting. */
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

/** From state running, for a method with which the worker itself copies. */
export async function markDone(db: Connection, id: number): Promise<boolean> {
  const moved = await db.run('backup_request', 'mark_done', { id });
  return moved.length > 0;
}

/** Writes the progress of stage copy. Bytes. */
export async function recordProgress(
  db: Connection,
  id: number,
  { expected, done }: { expected: number; done: number },
): Promise<void> {
  await db.run('backup_request', 'record_progress', { id, expected, done });
}

/** From state done, with the label. */
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

/** Whether the WAL of a backup was seen in its archive, with a warning if not. `seen`: null: unknown. */
export interface Archived {
  seen: boolean | null;
  warning: string | null;
}

/** From state archiving. */
export async function markComplete(
  db: Connection,
  id: number,
  { seen, warning }: Archived,
): Promise<boolean> {
  const moved = await db.run('backup_request', 'mark_complete', { id, archive_seen: seen, warning });
  return moved.length > 0;
}

/** From any state that is not final. */
export async function markFailed(db: Connection, id: number, failure: RecordedFailure): Promise<boolean> {
  const { code, message, hint } = failure;
  const moved = await db.run('backup_request', 'mark_failed', { id, code, message, hint });
  return moved.length > 0;
}

/** From state requested: no worker has taken the request. */
export async function failWaiting(db: Connection, id: number, failure: RecordedFailure): Promise<boolean> {
  const { code, message, hint } = failure;
  const moved = await db.run('backup_request', 'fail_waiting', { id, code, message, hint });
  return moved.length > 0;
}

export async function addWarning(db: Connection, id: number, warning: string): Promise<void> {
  await db.run('backup_request', 'add_warning', { id, warning });
}

/** Rows of damaged pages that are recorded already do not change. */
export async function recordDamagedPages(
  db: Connection,
  id: number,
  pages: readonly DamagedPage[],
): Promise<void> {
  await db.run('backup_request', 'record_damaged_pages', { id, pages: JSON.stringify(pages) });
}

/** Records the reason for which the present stage waits; null: no reason. */
export async function describeStage(db: Connection, id: number, detail: string | null): Promise<void> {
  await db.run('backup_request', 'describe_stage', { id, detail });
}

/** Records why no worker takes the request; null: no reason any more. */
export async function describeWait(db: Connection, id: number, detail: string | null): Promise<void> {
  await db.run('backup_request', 'describe_wait', { id, detail });
}

/** undefined: the request does not exist. */
export async function stateOf(db: Connection, id: number): Promise<BackupState | undefined> {
  const [row] = await db.run<{ state: BackupState }>('backup_request', 'state', { id });
  return row?.state;
}

/** All requests that a worker looks at every few seconds, in one query. */
export function unfinishedRequests(db: Connection): Promise<UnfinishedRequest[]> {
  return db.run<UnfinishedRequest>('backup_request', 'live');
}

/** Fails the requests that were unfinished before this database was restored; returns their IDs. */
export async function failRestored(db: Connection): Promise<number[]> {
  const rows = await db.run<{ id: number }>('backup_request', 'fail_restored');
  return rows.map(({ id }) => id);
}

/** undefined: the request is over, or its worker is alive. */
export async function abandonedRequest(db: Connection, id: number): Promise<AbandonedRequest | undefined> {
  const [row] = await db.run<AbandonedRow>('backup_request', 'abandoned', { id });
  if (row === undefined) return undefined;
  const { startLsn, startWal, timeline, systemIdentifier, serverVersion, tablespaces } = row;
  const { startedAt, stoppedAt, stopLsn, stopWal, ...request } = row;
  return {
    ...request,
    start:
      startedAt === null
        ? undefined
        : {
            startedAt: startedAt.toISOString(),
            startLsn,
            startWal,
            timeline,
            systemIdentifier,
            serverVersion,
            tablespaces,
          },
    stop: stoppedAt === null ? undefined : { stoppedAt: stoppedAt.toISOString(), stopLsn, stopWal },
  };
}

/** The row has the columns of the start if startedAt is not null, and those of the stop if stoppedAt is not null. */
type AbandonedRow = Omit<AbandonedRequest, 'start' | 'stop'> &
  Omit<BackupStart, 'startedAt'> &
  Pick<BackupStop, 'stopLsn' | 'stopWal'> & { startedAt: Date | null; stoppedAt: Date | null };

/** Gives the request of a dead worker to this worker; false: another worker was faster. */
export async function adoptRequest(
  db: Connection,
  id: number,
  worker: string,
  instance: string,
): Promise<boolean> {
  const adopted = await db.run('backup_request', 'adopt', { id, worker, instance });
  return adopted.length > 0;
}

/** Whether a backend of the control server holds the lock of the backup session of this request. */
export async function lockIsHeldHere(db: Connection, id: number): Promise<boolean> {
  const [row] = await db.run('backup_request', 'lock_is_held_here', { id });
  return row?.held === true;
}
