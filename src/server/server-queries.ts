/** The server that is backed up: one typed function per statement of sql/queries/target.sql. */
import { ServerError, type Connection } from '../database/connection.ts';
import type { ArchiverReport } from '../postgres/archiver-report.ts';

export interface SessionIdentity {
  pid: number;
  database: number;
  /** The role that it logged in as. */
  login: number;
  backendStart: string;
  locked: boolean;
}

/** What a connection is to, as the server says. */
export interface ServerPlace {
  pid: number;
  database: string;
  isTemplate: boolean;
}

export interface PreflightFacts {
  version: number;
  user: string;
  database: string;
  inRecovery: boolean;
  walLevel: string;
  archiveMode: string;
  archiveCommand: string | null;
  archiveLibrary: string;
  labelBytes: number;
  /** The data directory, and the files of configuration; null: the role may not know where they are. */
  configuration: [dataDirectory: string, ...files: string[]] | null;
  mayStart: boolean | null;
  mayStop: boolean | null;
  mayWatchArchive: boolean | null;
}

export interface StartedBackupFacts {
  startLsn: string;
  startWal: string;
  systemIdentifier: string;
  serverVersion: string;
}

export interface StoppedBackupFacts {
  stopLsn: string;
  /** As in the names of WAL segments. */
  timeline: string;
  /** Bytes. */
  segmentSize: number;
  label: Buffer;
  tablespaceMap: Buffer | null;
}

/** Where the server's archiver stands with one file. */
export interface ArchiveStatus {
  name: string;
  done: boolean;
  ready: boolean;
  /** The file is (still) in pg_wal. */
  present: boolean;
}

/** The server whose archiver is asked. */
export interface ArchiveServer {
  systemIdentifier: string;
  archiveMode: string;
  /** As in the names of WAL segments; null: the server is in recovery. */
  timeline: string | null;
}

/** Milliseconds for what a healthy server answers at once. */
const soon = { timeout: 5000 };

export async function serverPlaceOf(db: Connection): Promise<ServerPlace> {
  const [row] = await db.run<ServerPlace>('target', 'place', {}, soon);
  if (row === undefined) throw new Error('the server does not know the database connected to');
  return row;
}

export async function identifySession(db: Connection, lockKey: string): Promise<SessionIdentity> {
  const [row] = await db.run<SessionIdentity>('target', 'identify', { key: lockKey }, soon);
  if (row === undefined) throw new Error('the session does not see itself in pg_stat_activity');
  return row;
}

/** Whether that backend, which logged in as that role (null: any), holds that lock. */
export async function sessionIsThere(
  db: Connection,
  pid: number,
  lockKey: string,
  login: number | null,
): Promise<boolean> {
  const [row] = await db.run('target', 'session_is_there', { pid, key: lockKey, login }, soon);
  return row?.there === true;
}

export async function preflightFacts(
  db: Connection,
  label: string,
  functions: { startFunction: string; stopFunction: string },
): Promise<PreflightFacts> {
  const { startFunction, stopFunction } = functions;
  const values = { label, start_function: startFunction, stop_function: stopFunction };
  const [row] = await db.run<PreflightFacts>('target', 'preflight', values, soon);
  if (row === undefined) throw new Error('the server answered nothing');
  return row;
}

/** Returns when the checkpoint is over: at once with fast, or minutes later. */
export async function startBackup(
  db: Connection,
  statement: 'start' | 'start_before_15',
  label: string,
  fast: boolean,
): Promise<StartedBackupFacts> {
  const [row] = await db.run<StartedBackupFacts>('target', statement, { label, fast });
  if (row === undefined) throw new Error('the server answered nothing');
  return row;
}

/** Does not wait for the archiver. */
export async function stopBackup(
  db: Connection,
  statement: 'stop' | 'stop_before_15',
): Promise<StoppedBackupFacts> {
  const [row] = await db.run<StoppedBackupFacts>('target', statement);
  if (row === undefined) throw new Error('the server answered nothing');
  return row;
}

/** The tablespaces, in the format of tablespace_map; null when there are none. */
export async function tablespaces(db: Connection): Promise<Buffer | null> {
  const [row] = await db.run<{ map: Buffer | null }>('target', 'tablespaces', {}, soon);
  return row?.map ?? null;
}

export async function archiver(db: Connection): Promise<ArchiverReport> {
  const [row] = await db.run('target', 'archiver', {}, soon);
  return row as ArchiverReport;
}

export interface ArchiveSettings {
  command: string;
  /** Empty: the command counts. */
  library: string;
}

export async function archiveSettings(db: Connection): Promise<ArchiveSettings> {
  const [row] = await db.run('target', 'archive_settings', {}, soon);
  return row as unknown as ArchiveSettings;
}

/** Bytes. */
export async function walSegmentSize(db: Connection): Promise<number> {
  const [row] = await db.run('target', 'wal_segment_size', {}, soon);
  return Number(row?.size);
}

/** Where the server's archiver stands with these files, of which there is at least one. */
export async function archiveStatus(
  db: Connection,
  names: string[],
): Promise<{ server: ArchiveServer; files: ArchiveStatus[] }> {
  const files = await db.run<ArchiveServer & ArchiveStatus>('target', 'archive_status', { names }, soon);
  const [server] = files;
  if (server === undefined) throw new Error('the server answered nothing');
  return { server, files };
}

/** A backup history file out of pg_wal; undefined where the role may not read files or there is none. */
export async function readBackupHistoryFile(db: Connection, name: string): Promise<Buffer | undefined> {
  const [row] = await db.run<{ content: Buffer | null }>('target', 'history_file', { name }, soon);
  return row?.content ?? undefined;
}

/** Whose files they are, and where the server has them. */
export async function sourceOf(db: Connection): Promise<{ systemIdentifier: string; dataDirectory: string }> {
  const [row] = await db.run('target', 'source', {}, soon);
  return row as { systemIdentifier: string; dataDirectory: string };
}

/**
 * Has the server keep its WAL from here on for as long as the session lives; false where the role may not say so
 * (it lacks REPLICATION) or there is no slot left.
 */
export async function keepWal(db: Connection, name: string): Promise<boolean> {
  try {
    const [row] = await db.run('target', 'keep_wal', { name }, soon);
    return typeof row?.slot === 'string';
  } catch (error) {
    if (db.isLost || !(error instanceof ServerError)) throw error;
    return false;
  }
}
