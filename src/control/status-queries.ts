/** What there is to see: requests, their stages and history, workers and clusters. Ages are in seconds. */
import type { Connection } from '../database/connection.ts';
import type { BackupState } from './backup-states.ts';

export type StatusSession = 'alive' | 'orphaned' | 'gone' | 'unknown' | null;

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
  /** Of the stage; of the request, while it has none. */
  stageAge: number;
  /** Seconds; null: the worker's default. */
  holdTimeout: number | null;
}

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
  requestedBy: string;
  requestedAt: Date;
  finishedAt: Date;
  took: number;
  ago: number;
}

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

export interface ClusterStatus {
  name: string;
  serverVersion: string | null;
  archiveMode: string | null;
  archiverFailing: boolean | null;
  lastArchivedWal: string | null;
  lastArchivedAgo: number | null;
  lastFailedWal: string | null;
  lastFailedAgo: number | null;
  /** Of a recovery that is over, and still in the server's configuration. */
  recoverySettings: string[];
  checkedAt: Date | null;
  checkedAgo: number | null;
  /** Those alive that take requests for it. */
  workers: string[];
  /** Whether anybody ever served it or requested a backup of it. */
  used: boolean;
  completeId: number | null;
  completeAt: Date | null;
  completeAgo: number | null;
  failedId: number | null;
  failedError: string | null;
  failedAgo: number | null;
}

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
  /** Bytes a second. */
  rateLimit: number | null;
  compressLevel: number | null;
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

export interface RequestEvent {
  at: Date;
  who: string;
  login: string;
  detail: Record<string, unknown> | null;
  fromState: BackupState | null;
  toState: BackupState;
}

/** One that is not over, or the one of its cluster and kind that ended last. */
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
  /** It is running, and its worker is not there. */
  workerGone: boolean;
  age: number;
  ago: number | null;
  nextIn: number | null;
  /** This attempt of one that is running. */
  runningFor: number | null;
  /** The longest of those of its cluster and kind that ended last; null: none has. */
  usuallyRunsFor: number | null;
}

const quick = { timeout: 30_000 };

/** Everything that is not over, oldest first. */
export function liveRequests(db: Connection): Promise<LiveRequest[]> {
  return db.run<LiveRequest>('status', 'live', {}, quick);
}

/** What is over, newest first, in pages of a bounded size: all of it may be millions. */
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

export function newestFinished(
  db: Connection,
  page: number,
  before: number | bigint = 9_223_372_036_854_775_807n,
): Promise<FinishedRequest[]> {
  return db.run<FinishedRequest>('status', 'finished', { before: String(before), page }, quick);
}

/** The living first. */
export function workers(db: Connection): Promise<WorkerStatus[]> {
  return db.run<WorkerStatus>('status', 'workers', {}, quick);
}

export function clusters(db: Connection): Promise<ClusterStatus[]> {
  return db.run<ClusterStatus>('status', 'clusters', {}, quick);
}

export function chores(db: Connection): Promise<ChoreStatus[]> {
  return db.run<ChoreStatus>('status', 'chores', {}, quick);
}

export async function findRequest(db: Connection, id: number): Promise<RequestDetails | undefined> {
  const [row] = await db.run<RequestDetails>('status', 'request', { id }, quick);
  return row;
}

export function stages(db: Connection, id: number): Promise<RequestStage[]> {
  return db.run<RequestStage>('status', 'stages', { id }, quick);
}

export function events(db: Connection, id: number): Promise<RequestEvent[]> {
  return db.run<RequestEvent>('status', 'events', { id }, quick);
}

/** Of a cluster where WAL waits for the archiver. */
export interface WalBacklog {
  cluster: string;
  files: number;
  /** That the first of them has waited. */
  seconds: number;
}

export function walBacklogs(db: Connection): Promise<WalBacklog[]> {
  return db.run<WalBacklog>('status', 'backlogs', {}, quick);
}

/** The newest complete backup of a cluster, where its worker could see the archive, and its WAL was not there. */
export interface UnseenWal {
  id: number;
  cluster: string;
  startWal: string;
  stopWal: string;
}

export function unseenWal(db: Connection): Promise<UnseenWal[]> {
  return db.run<UnseenWal>('status', 'unseen', {}, quick);
}

/** The newest copy of a cluster, where pages of it were damaged when it was copied. */
export interface DamagedCopy {
  id: number;
  cluster: string;
  pages: number;
  /** The first of them, by block and file. */
  named: string[];
}

export function damagedCopies(db: Connection): Promise<DamagedCopy[]> {
  return db.run<DamagedCopy>('status', 'damaged');
}
