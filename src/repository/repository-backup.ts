/**
 * The backups of a cluster in the repository. A backup is listed when both its directory and its .meta directory
 * exist:
 *
 *   backups/<UTC start>-<id>/        base.tar.zst <oid>.tar.zst … backup_manifest pg_wal/<segment>.zst
 *   backups/<UTC start>-<id>.meta/   backup.json backup_label tablespace_map frames.jsonl
 *                                    and lengths.jsonl of an incremental copy
 */
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { HoldfastError } from '../errors.ts';
import { impossibleGeometry } from '../postgres/impossible-geometry.ts';
import { isSegmentSize } from '../postgres/wal-segment.ts';
import { isIncrementalOf, isListOf, oddValue } from './description-values.ts';
import { parseDescription, type BackupRecord } from './label-entry.ts';
import { backupDamaged, refuseUnreadable } from './repository-errors.ts';

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
   * The target of the symbolic link pg_wal, or the path of pg_wal where a volume was mounted there; undefined where pg_wal
   * was on the volume of the data directory, and in backups of older releases.
   */
  walLinkedTo?: string;
  /**
   * What the copy has left in the data directory (server/history-marks.ts); undefined where the worker may not write
   * there.
   */
  historyMark?: string;
  /** Bytes. */
  blockSize: number;
  /** Bytes. */
  walSegmentSize: number;
  /** Blocks per file of a relation. */
  relationSegmentBlocks: number;
  /** Whether the cluster had data checksums. If so, the backup verified them. */
  checksums: boolean;
  compressLevel: number;
  /** undefined: a full copy. */
  incremental?: IncrementalOf;
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

/**
 * What an incremental copy needs for a restore: its chain, from a full copy on. The files that have been copied in part
 * have PostgreSQL's form (postgres/incremental-file.ts), and are listed in lengths.jsonl (relation-lengths.ts).
 */
export interface IncrementalOf {
  /** The name of the copy of which this one holds the changes, as the directory is called below backups/. */
  parent: string;
  parentRequest: number;
  /** The start LSN and the timeline of the parent, as in the last two lines of backup_label. */
  fromLsn: string;
  fromTimeline: number;
  /**
   * CRC-32C of the parent's backup_manifest. Name, request and start LSN may be the same in a copy of another server,
   * where this one is a clone of it.
   */
  parentManifestCrc32c: number;
  /** The name of the full copy with which the chain begins. */
  full: string;
  /** The number of incremental copies in the chain, this one included. */
  links: number;
  /** CRC-32C of the whole lengths.jsonl. */
  lengthsCrc32c: number;
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

const optionalTexts = ['walLinkedTo', 'historyMark'] as const;

/** Formats backup.json. The last field is the SHA-256 of the text in front of the field. */
export function formatRepositoryBackup(backup: RepositoryBackup): Buffer {
  const text = Buffer.from(JSON.stringify(backup, null, 2).replace(/\n\}$/, ''));
  return Buffer.concat([text, Buffer.from(`,\n  "sha256": "${sha256(text)}"\n}\n`)]);
}

/** Parses and checks backup.json. @throws HoldfastError `backup_damaged`, with the file and the problem */
export function parseRepositoryBackup(file: string, bytes: Buffer): RepositoryBackup {
  const refuse = (reason: string): HoldfastError => backupDamaged(`"${file}" ${reason}`);
  const backup = parseDescription(bytes, refuse) as RepositoryBackup;
  const odd = oddValue(backup);
  if (odd !== undefined) throw refuse(`has an impossible "${odd}"`);
  for (const [key, type] of Object.entries(types)) {
    if (typeof backup[key as keyof RepositoryBackup] !== type) throw refuse(`has no ${type} "${key}"`);
  }
  const odder = optionalTexts.find((key) => !['string', 'undefined'].includes(typeof backup[key]));
  if (odder !== undefined) throw refuse(`has a "${odder}" that is not a string`);
  if (!isIncrementalOf(backup.incremental)) throw refuse('has an impossible "incremental"');
  for (const key of ['tablespaces', 'tars', 'damagedPages'] as const) {
    if (!isListOf(key, backup[key])) throw refuse(`has no list "${key}"`);
  }
  const stray = backup.tars.find((tar) => !/^(base|\d+)\.tar\.zst$/.test(tar.name));
  if (stray !== undefined) throw refuse(`lists "${stray.name}", which is not a tar of a backup`);
  const impossible = impossibleSizes(backup);
  if (impossible !== undefined) throw refuse(impossible);
  if (backup.version !== 1 || backup.method !== 'copy')
    throw refuse(`is of version ${backup.version} and method "${backup.method}"`);
  const [end = '', checksum] = /,\n {2}"sha256": "(\w+)"\n\}\n$/.exec(bytes.toString('latin1')) ?? [];
  if (sha256(bytes.subarray(0, bytes.length - end.length)) !== checksum)
    throw refuse('is damaged: its checksum is wrong');
  const { sha256: _, ...description } = backup as RepositoryBackup & { sha256: string };
  return description;
}

/** Why no PostgreSQL has these sizes, as a predicate; undefined: one may have. */
function impossibleSizes(backup: RepositoryBackup): string | undefined {
  if (!isSegmentSize(backup.walSegmentSize)) return `has a walSegmentSize of ${backup.walSegmentSize}`;
  return impossibleGeometry(backup);
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Lists a directory; no names where the directory does not exist. @throws HoldfastError `repository_unreadable` */
export async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch((error: unknown) => {
    refuseUnreadable(directory, error);
    return [];
  });
}
