/**
 * The backups of a cluster in the repository. One is listed when its directory and its backup.json are both there:
 *
 *   backups/<UTC start>-<id>/        base.tar.zst <oid>.tar.zst … backup_manifest pg_wal/<segment>.zst
 *   backups/<UTC start>-<id>.meta/   backup.json backup_label tablespace_map frames.jsonl
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { isListOf, oddValue } from './description-values.ts';
import { parseDescription, type BackupDescription } from './label-entry.ts';
import { repositoryUnreadable } from './repository-errors.ts';

/** backup.json: what the label directory's has, and how the copy is stored. */
export interface RepositoryBackup extends BackupDescription {
  version: 1;
  method: 'copy';
  /** Of the control database that asked for it; undefined: an older release did not note it. */
  controlOrigin?: string;
  /** Where it was, as the worker's host saw it. */
  dataDirectory: string;
  /** Where the link pg_wal led; undefined: it was a directory, or an older release did not note it. */
  walLinkedTo?: string;
  /** Bytes. */
  blockSize: number;
  walSegmentSize: number;
  /** Blocks in one file of a relation. */
  relationSegmentBlocks: number;
  /** Whether data pages have checksums, which were verified then. */
  checksums: boolean;
  compressLevel: number;
  /** The sum of the files' sizes. */
  bytes: number;
  /** What the tars and the manifest take in the repository. */
  storedBytes: number;
  files: number;
  /** Those with a tar of their own, by OID. */
  tablespaces: StoredTablespace[];
  tars: StoredTar[];
  damagedPages: { file: string; block: number }[];
  /** Of the whole files. */
  manifestCrc32c: number;
  framesCrc32c: number;
}

export interface StoredTablespace {
  oid: number;
  /** Where its link pointed. */
  path: string;
  tar: string;
}

export interface StoredTar {
  name: string;
  /** As stored. */
  bytes: number;
  /** Of the tar itself. */
  size: number;
  frames: number;
}

export function backupsDirectory(clusterDirectory: string): string {
  return join(clusterDirectory, 'backups');
}

/** The directory beside a backup's own, with what is known about it. */
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

/** backup.json: the last entry is the checksum of what is in front of it. */
export function formatRepositoryBackup(backup: RepositoryBackup): Buffer {
  const text = Buffer.from(JSON.stringify(backup, null, 2).replace(/\n\}$/, ''));
  return Buffer.concat([text, Buffer.from(`,\n  "sha256": "${sha256(text)}"\n}\n`)]);
}

/** @throws HoldfastError naming the file and what is wrong with it */
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

/** As PostgreSQL has them: a power of two, from 1 MB to 1 GB. */
function isSegmentSize(bytes: number): boolean {
  return bytes >= 1 << 20 && bytes <= 1 << 30 && Number.isInteger(Math.log2(bytes));
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The finished backups, oldest first; `onUnusable`: for one whose description is damaged or cannot be read. */
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

/** The finished backup of that very request; undefined where there is none. */
export async function findStoredBackup(
  clusterDirectory: string,
  of: { id: number; systemIdentifier: string; startLsn: string; timeline?: number | null },
): Promise<RepositoryBackup | undefined> {
  const backups = await listBackupNames(clusterDirectory, (error) => {
    // One that is damaged is none; one that cannot be read may be the very one.
    if (error instanceof HoldfastError && error.code === 'repository_unreadable') throw error;
  });
  return backups.find(
    ({ id, systemIdentifier, startLsn, timeline }) =>
      id === of.id &&
      systemIdentifier === of.systemIdentifier &&
      startLsn === of.startLsn &&
      timeline === (of.timeline ?? timeline),
  );
}

/** None where there is no such directory. */
export async function namesIn(directory: string): Promise<string[]> {
  return (await readdir(directory).catch(unreadable(directory))) ?? [];
}

/** undefined for what is not there. */
function unreadable(path: string) {
  return (error: NodeJS.ErrnoException): undefined => {
    if (error.code === 'ENOENT') return undefined;
    throw repositoryUnreadable(path, error);
  };
}
