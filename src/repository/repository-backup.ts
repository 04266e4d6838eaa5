/**
 * The backups of a cluster in the repository. A backup is listed when both its directory and its .meta directory
 * exist:
 *
 *   backups/<UTC start>-<id>/        base.tar.zst <oid>.tar.zst … backup_manifest pg_wal/<segment>.zst
 *   backups/<UTC start>-<id>.meta/   backup.json backup_label tablespace_map frames.jsonl
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { isListOf, oddValue } from './description-values.ts';
import { parseDescription, type BackupRecord } from './label-entry.ts';
import { repositoryUnreadable } from './repository-errors.ts';

/**
 * The content of backup.json in the repository: the fields of the label directory's backup.json, and how the copy is
 * stored.
 */
export interface RepositoryBackup extends BackupRecord {
  version: 1;
  method: 'copy';
  /** The origin of the control database with the request; undefined in backups of older releases. */
  controlOrigin?: string;
  /** The path of the data directory on the worker's host. */
  dataDirectory: string;
  /**
   * The target of the symbolic link pg_wal; undefined where pg_wal was a directory, and in backups of older releases.
   */
  walLinkedTo?: string;
  /** Bytes. */
  blockSize: number;
  /** Bytes. */
  walSegmentSize: number;
  /** Blocks per file of a relation. */
  relationSegmentBlocks: number;
  /** Whether the cluster had data checksums. If so, the backup verified them. */
  checksums: boolean;
  compressLevel: number;
  /** Bytes: the sum of the files' sizes. */
  bytes: number;
  /** Bytes that the tars and the manifest take in the repository. */
  storedBytes: number;
  /** The number of files. */
  files: number;
  /** The tablespaces, each with a tar of its own, by OID. */
  tablespaces: StoredTablespace[];
  tars: StoredTar[];
  damagedPages: DamagedPage[];
  /** CRC-32C of the whole file. */
  manifestCrc32c: number;
  framesCrc32c: number;
}

/** A tablespace other than pg_default and pg_global. */
export interface StoredTablespace {
  oid: number;
  /** The target of the symbolic link in pg_tblspc. */
  path: string;
  tar: string;
}

/** A compressed tar of a backup. */
export interface StoredTar {
  name: string;
  /** Bytes of the compressed file. */
  bytes: number;
  /** Bytes of the tar before compression. */
  size: number;
  frames: number;
}

/** A page whose checksum was wrong every time the page was read. */
export interface DamagedPage {
  /** Path as in the manifest. */
  file: string;
  /** Block number in the relation, counted across all segment files. */
  block: number;
}

/** The directory with the backups of a cluster. */
export function backupsDirectory(clusterDirectory: string): string {
  return join(clusterDirectory, 'backups');
}

/** The .meta directory beside the directory of a backup. */
export function metaDirectory(backupDirectory: string): string {
  return `${backupDirectory}.meta`;
}

const types: Partial<Record<keyof RepositoryBackup, string>> = {
  version: 'number',
  method: 'string',
  dataDirectory: 'string',
  blockSize: 'number',
  walSegmentSize: 'number',
  relationSegmentBlocks: 'number',
  checksums: 'boolean',
  bytes: 'number',
  files: 'number',
  manifestCrc32c: 'number',
  framesCrc32c: 'number',
};

/** Formats backup.json. The last field is the SHA-256 of the text in front of the field. */
export function formatRepositoryBackup(backup: RepositoryBackup): Buffer {
  const text = Buffer.from(JSON.stringify(backup, null, 2).replace(/\n\}$/, ''));
  return Buffer.concat([text, Buffer.from(`,\n  "sha256": "${sha256(text)}"\n}\n`)]);
}

/**
 * Parses and checks backup.json.
 * @throws HoldfastError `backup_damaged` or `label_not_found`, with the file and the problem
 */
export function parseRepositoryBackup(file: string, bytes: Buffer): RepositoryBackup {
  const backup = parseDescription(file, bytes) as RepositoryBackup;
  const refuse = (reason: string) =>
    new HoldfastError('failed', `"${file}" ${reason}`, { code: 'backup_damaged' });
  const odd = oddValue(backup);
  if (odd !== undefined) throw refuse(`has a "${odd}" that is none`);
  for (const [key, type] of Object.entries(types)) {
    if (typeof backup[key as keyof RepositoryBackup] !== type) throw refuse(`has no ${type} "${key}"`);
  }
  if (!['string', 'undefined'].includes(typeof backup.walLinkedTo))
    throw refuse('has a "walLinkedTo" that is not a string');
  for (const key of ['tablespaces', 'tars', 'damagedPages'] as const) {
    if (!isListOf(key, backup[key])) throw refuse(`has no list "${key}"`);
  }
  const stray = backup.tars.find((tar) => !/^(base|\d+)\.tar\.zst$/.test(tar.name));
  if (stray !== undefined) throw refuse(`lists "${stray.name}", which is not a tar of a backup`);
  if (!isSegmentSize(backup.walSegmentSize)) throw refuse(`has a walSegmentSize of ${backup.walSegmentSize}`);
  if (backup.version !== 1 || backup.method !== 'copy')
    throw refuse(`is of version ${backup.version} and method "${backup.method}"`);
  const [end = '', checksum] = /,\n {2}"sha256": "(\w+)"\n\}\n$/.exec(bytes.toString('latin1')) ?? [];
  if (sha256(bytes.subarray(0, bytes.length - end.length)) !== checksum)
    throw refuse('is damaged: its checksum is wrong');
  const { sha256: _, ...description } = backup as RepositoryBackup & { sha256: string };
  return description;
}

/** PostgreSQL's segment sizes: a power of two from 1 MB to 1 GB. */
function isSegmentSize(bytes: number): boolean {
  return bytes >= 1 << 20 && bytes <= 1 << 30 && Number.isInteger(Math.log2(bytes));
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * Lists the finished backups, oldest first. `onUnusable` receives the error for a backup whose description is damaged
 * or cannot be read; by default the error is thrown.
 */
export async function listBackupNames(
  clusterDirectory: string,
  onUnusable: (error: unknown) => void = (error) => {
    throw error;
  },
): Promise<RepositoryBackup[]> {
  const directory = backupsDirectory(clusterDirectory);
  const names = new Set(await namesIn(directory));
  const listed = [...names].filter((name) => names.has(metaDirectory(name))).sort();
  const backups: RepositoryBackup[] = [];
  for (const name of listed) {
    const file = join(metaDirectory(join(directory, name)), 'backup.json');
    try {
      const bytes = await readFile(file).catch(unreadable(file));
      if (bytes !== undefined) backups.push(parseRepositoryBackup(file, bytes));
    } catch (error) {
      onUnusable(error);
    }
  }
  return backups;
}

/** Finds the finished backup of a request; undefined where there is none. */
export async function findStoredBackup(
  clusterDirectory: string,
  of: Pick<BackupRecord, 'id' | 'systemIdentifier' | 'startLsn' | 'timeline'>,
): Promise<RepositoryBackup | undefined> {
  const backups = await listBackupNames(clusterDirectory, (error) => {
    // A damaged backup does not count. An unreadable backup may be the one requested.
    if (error instanceof HoldfastError && error.code === 'repository_unreadable') throw error;
  });
  return backups.find(
    ({ id, systemIdentifier, startLsn, timeline }) =>
      id === of.id &&
      systemIdentifier === of.systemIdentifier &&
      startLsn === of.startLsn &&
      timeline === of.timeline,
  );
}

/** Lists a directory; no names where the directory does not exist. @throws HoldfastError `repository_unreadable` */
export async function namesIn(directory: string): Promise<string[]> {
  return (await readdir(directory).catch(unreadable(directory))) ?? [];
}

/** Returns a handler that turns "no such file" into undefined. */
function unreadable(path: string) {
  return (error: NodeJS.ErrnoException): undefined => {
    if (error.code === 'ENOENT') return undefined;
    throw repositoryUnreadable(path, error);
  };
}
