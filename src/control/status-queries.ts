/**
 * The queries of the status and health commands: requests, their stages and events, workers and clusters. Ages are
 * in seconds.
 */
import type { Connection } from '../database/connection.ts';
import type { BackupState } from './backup-states.ts';

/** null: the state of the request needs no session. */
export type StatusSession = 'alive' | 'orphaned' | 'gone' | 'unknown' | null;

/** A request that is not over. */
export interface LiveRequest {
  id: number;
  cluster: string;
  label: string;
  method: string;
  state: BackupState;
  session: StatusSession;
  stage: string | null;
  worker: string | null;
  warnings: string[];
  requestedBy: string;
  startLsn: string | null;
  waitingFor: string | null;
  bytesExpected: number | null;
  bytesDone: number | null;
  bytesPerSecond: number | null;
  age: number;
  /** Age of the stage; age of the request before its first stage. */
  stageAge: number;
  /** Seconds; null: the default of the worker. */
  holdTimeout: number | null;
}

/** A request that is over. */
export interface FinishedRequest {
  id: number;
  cluster: string;
  label: string;
  method: string;
  state: BackupState;
  worker: string | null;
  warnings: string[];
  error: string | null;
  hint: string | null;
  errorCode: string | null;
  /** Of an incremental copy: the request of the copy whose changes it holds. */
  parent: number | null;
  /** Of a copy: the requests of the copies that a restore reads, from the full copy to this one. */
  chain: number[] | null;
  requestedBy: string;
  requestedAt: Date;
  finishedAt: Date;
  took: number;
  ago: number;
}

/** A worker that has ever been registered. */
export interface WorkerStatus {
  name: string;
  alive: boolean;
  draining: boolean;
  clusters: string[];
  held: number;
  version: string;
  host: string;
  hostPid: number;
  startedAt: Date;
  lastSeen: Date;
  lastSeenAgo: number;
}

/** A cluster with its archiver and its last backups. null: no such report or backup. */
export interface ClusterStatus {
  name: string;
  serverVersion: string | null;
  archiveMode: string | null;
  archiverFailing: boolean | null;
  lastArchivedWal: string | null;
  lastArchivedAgo: number | null;
  lastFailedWal: string | null;
  lastFailedAgo: number | null;
  /** Recovery settings of a finished recovery that are still in the configuration of the server. */
  recoverySettings: string[];
  checkedAt: Date | null;
  checkedAgo: number | null;
  /** The workers that are alive and take requests for the cluster. */
  workers: string[];
  /** Whether a worker has ever served the cluster, or a backup of the cluster was ever requested. */
  used: boolean;
  completeId: number | null;
  completeAt: Date | null;
  completeAgo: number | null;
  failedId: number | null;
  failedError: string | null;
  failedAgo: number | null;
}

/** All columns of a request. null: not known, or not yet. */
export interface RequestDetails {
  id: number;
  cluster: string;
  label: string;
  method: string;
  command: string | null;
  fast: boolean;
  keep: boolean;
  annotations: unknown;
  state: BackupState;
  session: StatusSession;
  waitingFor: string | null;
  worker: string | null;
  pid: number | null;
  backendStart: Date | null;
  timeline: number | null;
  error: string | null;
  hint: string | null;
  errorCode: string | null;
  warnings: string[];
  waitForArchive: boolean;
  holdTimeout: number | null;
  /** Bytes per second; null: no limit. */
  rateLimit: number | null;
  compressLevel: number | null;
  /** Whether an incremental copy was asked for. */
  incremental: boolean;
  /** Of an incremental copy: the request and the start LSN of the copy whose changes it holds. */
  parent: number | null;
  incrementalFrom: string | null;
  /** Of a copy: the requests of the copies that a restore reads, from the full copy to this one. */
  chain: number[] | null;
  requestedBy: string;
  requestedLogin: string;
  requestedAt: Date;
  startedAt: Date | null;
  startLsn: string | null;
  startWal: string | null;
  systemIdentifier: string | null;
  serverVersion: string | null;
  doneAt: Date | null;
  stoppedAt: Date | null;
  stopLsn: string | null;
  stopWal: string | null;
  archivedAt: Date | null;
  archiveSeen: boolean | null;
  finishedAt: Date | null;
  backupLabel: string | null;
  tablespaceMap: string | null;
}

/** A stage of a request. */
export interface RequestStage {
  stage: string;
  state: string;
  detail: string | null;
  beganAt: Date;
  endedAt: Date | null;
  bytesExpected: number | null;
  bytesDone: number | null;
  took: number;
}

/** A move of a request, with the role and the login behind the move. */
export interface RequestEvent {
  at: Date;
  who: string;
  login: string;
  detail: Record<string, unknown> | null;
  fromState: BackupState | null;
  toState: BackupState;
}

/** A chore that is not over, or the chore of its cluster and kind that ended last. */
export interface ChoreStatus {
  id: number;
  cluster: string;
  kind: string;
  state: 'requested' | 'running' | 'retrying' | 'complete' | 'failed';
  attempts: number;
  backup: string | null;
  worker: string | null;
  error: string | null;
  hint: string | null;
  errorCode: string | null;
  result: Record<string, unknown> | null;
  requestedBy: string;
  requestedAt: Date;
  startedAt: Date | null;
  nextAttemptAt: Date | null;
  finishedAt: Date | null;
  /** Whether the chore is running and its worker is gone. */
  workerGone: boolean;
  age: number;
  ago: number | null;
  nextIn: number | null;
  /** Seconds of the present attempt; null: the chore is not running. */
  runningFor: number | null;
  /** The longest duration among the last finished chores of this cluster and kind; null: none has finished. */
  usuallyRunsFor: number | null;
}

/** Milliseconds. */
const quick = { timeout: 30_000 };

/** All requests that are not over, oldest first. */
export function liveRequests(db: Connection): Promise<LiveRequest[]> {
  return db.run<LiveRequest>('status', 'live', {}, quick);
}

/** The requests that are over, newest first, in pages of limited size: there may be millions of requests. */
export async function* finishedRequests(db: Connection, page = 500): AsyncGenerator<FinishedRequest[]> {
  let before: number | bigint = 9_223_372_036_854_775_807n;
  for (;;) {
    const rows: FinishedRequest[] = await newestFinished(db, page, before);
    if (rows.length > 0) yield rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < page) return;
    before = last.id;
  }
}

/** One page of the requests that are over, with IDs below `before`, newest first. */
export function newestFinished(
  db: Connection,
  page: number,
  before: number | bigint = 9_223_372_036_854_775_807n,
): Promise<FinishedRequest[]> {
  return db.run<FinishedRequest>('status', 'finished', { before: String(before), page }, quick);
}

/** All workers; workers that are alive come first. */
export function workers(db: Connection): Promise<WorkerStatus[]> {
  return db.run<WorkerStatus>('status', 'workers', {}, quick);
}

export function clusters(db: Connection): Promise<ClusterStatus[]> {
  return db.run<ClusterStatus>('status', 'clusters', {}, quick);
}

export function chores(db: Connection): Promise<ChoreStatus[]> {
  return db.run<ChoreStatus>('status', 'chores', {}, quick);
}

/** undefined: the request does not exist. */
export async function findRequest(db: Connection, id: number): Promise<RequestDetails | undefined> {
  const [row] = await db.run<RequestDetails>('status', 'request', { id }, quick);
  return row;
}

/** The stages of a request, in order. */
export function stages(db: Connection, id: number): Promise<RequestStage[]> {
  return db.run<RequestStage>('status', 'stages', { id }, quick);
}

/** The moves of a request, in order. */
export function events(db: Connection, id: number): Promise<RequestEvent[]> {
  return db.run<RequestEvent>('status', 'events', { id }, quick);
}

/** A cluster with WAL that waits for the archiver. */
export interface WalBacklog {
  cluster: string;
  files: number;
  /** Seconds for which the oldest of these files has waited. */
  seconds: number;
}

export function walBacklogs(db: Connection): Promise<WalBacklog[]> {
  return db.run<WalBacklog>('status', 'backlogs', {}, quick);
}

/**
 * The newest complete backup of a cluster, if its worker could look into the archive and its WAL was missing
 * there.
 */
export interface UnseenWal {
  id: number;
  cluster: string;
  startWal: string;
  stopWal: string;
}

export function unseenWal(db: Connection): Promise<UnseenWal[]> {
  return db.run<UnseenWal>('status', 'unseen', {}, quick);
}

/** The damaged pages of a cluster that no full copy has found sound since. */
export interface DamagedCopy {
  /** The newest copy that has found one of the pages. */
  id: number;
  cluster: string;
  pages: number;
  /** The first damaged pages, as text with file and block. */
  named: string[];
}

export function damagedCopies(db: Connection): Promise<DamagedCopy[]> {
  return db.run<DamagedCopy>('status', 'damaged');
}
