/**
 * The queries on the server that is backed up: one typed function for each statement of sql/queries/target.sql.
 */
import { ServerError, type Connection } from '../database/connection.ts';
import type { ArchiverReport } from '../postgres/archiver-report.ts';
import type { BackupStart, BackupStop } from '../postgres/backup-facts.ts';
import { parseLsn } from '../postgres/lsn.ts';
import { segmentBefore } from '../postgres/wal-segment.ts';

/** The row of a session in pg_stat_activity. */
export interface SessionIdentity {
  /** Process ID of the backend. */
  pid: number;
  /** OID of the database. */
  database: number;
  /** OID of the role that the session logged in as. */
  login: number;
  backendStart: string;
  /** Whether the session has got its advisory lock. */
  locked: boolean;
}

/** The backend and the database of a connection, from the server. */
export interface ServerPlace {
  /** Process ID of the backend. */
  pid: number;
  database: string;
  isTemplate: boolean;
}

/** The facts about a server that a preflight needs. */
export interface PreflightFacts {
  /** As in server_version_num. */
  version: number;
  user: string;
  database: string;
  inRecovery: boolean;
  walLevel: string;
  archiveMode: string;
  archiveCommand: string | null;
  archiveLibrary: string;
  /** Bytes of the label in the encoding of the database. */
  labelBytes: number;
  /** The data directory and the configuration files; null: the role may not see these settings. */
  configuration: [dataDirectory: string, ...files: string[]] | null;
  /** Whether the role may execute the start function; null: no such function. */
  mayStart: boolean | null;
  /** Whether the role may execute the stop function; null: no such function. */
  mayStop: boolean | null;
  /** Whether the role may execute pg_ls_archive_statusdir and pg_ls_waldir; null: no such function. */
  mayWatchArchive: boolean | null;
}

/** The archive status of one file. */
export interface ArchiveStatus {
  name: string;
  /** archive_status has a .done file. */
  done: boolean;
  /** archive_status has a .ready file. */
  ready: boolean;
  /** The file is still in pg_wal. */
  present: boolean;
}

/** The server whose archive status is queried. */
export interface ArchiveServer {
  systemIdentifier: string;
  archiveMode: string;
  /** Eight hexadecimal digits, as in the name of a WAL segment; null: the server is in recovery. */
  timeline: string | null;
}

/** Milliseconds for queries that a healthy server answers at once. */
const soon = { timeout: 5000 };

/** Returns the backend and the database of a connection. */
export async function serverPlaceOf(db: Connection): Promise<ServerPlace> {
  const [row] = await db.run<ServerPlace>('target', 'place', {}, soon);
  if (row === undefined) throw new Error('the server does not know the database connected to');
  return row;
}

/** Takes the advisory lock for a session and returns the identity of the session. */
export async function identifySession(db: Connection, lockKey: string): Promise<SessionIdentity> {
  const [row] = await db.run<SessionIdentity>('target', 'identify', { key: lockKey }, soon);
  if (row === undefined) throw new Error('the session does not see itself in pg_stat_activity');
  return row;
}

/** Whether the backend `pid` holds the lock and logged in as the role `login`; null: any role. */
export async function sessionIsThere(
  db: Connection,
  pid: number,
  lockKey: string,
  login: number | null,
): Promise<boolean> {
  const [row] = await db.run('target', 'session_is_there', { pid, key: lockKey, login }, soon);
  return row?.there === true;
}

/**
 * Returns the facts for a preflight.
 * @throws ServerError `22P05` where the encoding of the database cannot hold the label
 */
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

/** Calls the start function. Returns after the checkpoint: at once if fast, or minutes later. */
export async function startBackup(
  db: Connection,
  statement: 'start' | 'start_before_15',
  label: string,
  fast: boolean,
): Promise<Omit<BackupStart, 'tablespaces'>> {
  const [row] = await db.run<Omit<BackupStart, 'startedAt' | 'timeline' | 'tablespaces'>>(
    'target',
    statement,
    {
      label,
      fast,
    },
  );
  const startedAt = new Date().toISOString();
  if (row === undefined) throw new Error('the server answered nothing');
  return { ...row, startedAt, timeline: Number.parseInt(row.startWal.slice(0, 8), 16) };
}

/** Calls the stop function without waiting for the archiver. */
export async function stopBackup(db: Connection, statement: 'stop' | 'stop_before_15'): Promise<BackupStop> {
  const [row] = await db.run<
    Omit<BackupStop, 'stoppedAt' | 'stopWal'> & { timeline: string; segmentSize: number }
  >('target', statement);
  const stoppedAt = new Date().toISOString();
  if (row === undefined) throw new Error('the server answered nothing');
  const { stopLsn, timeline, segmentSize, label, tablespaceMap: map } = row;
  return {
    stoppedAt,
    stopLsn,
    stopWal: segmentBefore(parseLsn(stopLsn), Number.parseInt(timeline, 16), segmentSize),
    label,
    tablespaceMap: map === null || map.length === 0 ? null : map,
  };
}

/** The tablespaces in the format of tablespace_map; null: no tablespaces. */
export async function tablespaces(db: Connection): Promise<Buffer | null> {
  const [row] = await db.run<{ map: Buffer | null }>('target', 'tablespaces', {}, soon);
  return row?.map ?? null;
}

/** Returns the state of the archiver. */
export async function archiver(db: Connection): Promise<ArchiverReport> {
  const [row] = await db.run('target', 'archiver', {}, soon);
  return row as ArchiverReport;
}

/** The archive settings of a server. */
export interface ArchiveSettings {
  command: string;
  /** Empty: the server uses archive_command. */
  library: string;
}

/** Returns the archive settings of the server. */
export async function archiveSettings(db: Connection): Promise<ArchiveSettings> {
  const [row] = await db.run('target', 'archive_settings', {}, soon);
  return row as unknown as ArchiveSettings;
}

/** The WAL segment size of the server. Bytes. */
export async function walSegmentSize(db: Connection): Promise<number> {
  const [row] = await db.run('target', 'wal_segment_size', {}, soon);
  return Number(row?.size);
}

/** Returns the archive status of at least one file. */
export async function archiveStatus(
  db: Connection,
  names: string[],
): Promise<{ server: ArchiveServer; files: ArchiveStatus[] }> {
  const files = await db.run<ArchiveServer & ArchiveStatus>('target', 'archive_status', { names }, soon);
  const [server] = files;
  if (server === undefined) throw new Error('the server answered nothing');
  return { server, files };
}

/** Reads a backup history file from pg_wal; undefined: the role may not read files, or the file does not exist. */
export async function readBackupHistoryFile(db: Connection, name: string): Promise<Buffer | undefined> {
  const [row] = await db.run<{ content: Buffer | null }>('target', 'history_file', { name }, soon);
  return row?.content ?? undefined;
}

/** The data directory of a server. */
export interface ServerSource {
  systemIdentifier: string;
  dataDirectory: string;
  /** When the server last wrote pg_control, in seconds since 1970. */
  modifiedAt: number;
}

/** Returns the data directory of the server. */
export async function sourceOf(db: Connection): Promise<ServerSource> {
  const [row] = await db.run<ServerSource>('target', 'source', {}, soon);
  if (row === undefined) throw new Error('the server answered nothing');
  return row;
}

/**
 * Makes the server keep its WAL from now on, with a temporary replication slot that lives as long as the session.
 * Returns false where the role lacks REPLICATION or all replication slots are in use.
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
