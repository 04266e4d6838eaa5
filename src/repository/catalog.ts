/**
 * The backups of the repository: lists them, and reads the manifest and the frame index of a backup. Both files are
 * checked against the checksums in backup.json.
 */
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { crc32c } from '../postgres/crc32c.ts';
import { parseManifest, type Manifest } from '../postgres/read-manifest.ts';
import { readIdentity } from './cluster-identity.ts';
import { readFrameIndex, type FrameEntry } from './frame-index.ts';
import { isUnreadable, repositoryUnreadable } from './repository-errors.ts';
import { releaseBuffer } from '../system/release-buffer.ts';
import {
  backupsDirectory,
  metaDirectory,
  namesIn,
  parseRepositoryBackup,
  type RepositoryBackup,
} from './repository-backup.ts';

/** A finished backup. */
export interface StoredBackup {
  description: RepositoryBackup;
  /** The directory with the tars and backup_manifest. */
  directory: string;
  /** The directory with backup.json, backup_label and the frame index. */
  meta: string;
}

/** The finished backups of a cluster. */
export interface ListedBackup {
  /** Oldest first. */
  backups: StoredBackup[];
  /** Backups whose backup.json cannot be read, by name. */
  damaged: { name: string; problem: string; error: unknown }[];
}

/** Lists the finished backups of a cluster, without those that an expiry is removing. */
export async function storedBackups(clusterDirectory: string): Promise<ListedBackup> {
  const parent = backupsDirectory(clusterDirectory);
  const all = new Set(await namesIn(parent));
  const isExpiring = (name: string) => all.has(`${metaDirectory(name)}.expired`);
  const names = [...all].filter((name) => /^\d{8}T\d{6}Z-\d+$/.test(name) && !isExpiring(name)).sort();
  const listed: ListedBackup = { backups: [], damaged: [] };
  for (const name of names) {
    try {
      listed.backups.push(await backupAt(join(parent, name)));
    } catch (error) {
      listed.damaged.push({ name, problem: problemOf(error), error });
    }
  }
  return listed;
}

/** Adds the hint where the file could not be read: such an error says nothing about the backup. */
function problemOf(error: unknown): string {
  return isUnreadable(error) ? `${error.message}; ${error.hint}` : messageOf(error);
}

/**
 * Lists the finished backups as `storedBackups()` does.
 * @throws HoldfastError `no_repository` where the directory has neither a backup nor cluster.json, for example
 * because a disk is not mounted
 */
export async function listedBackups(clusterDirectory: string): Promise<ListedBackup> {
  const listed = await storedBackups(clusterDirectory);
  const isEmpty = listed.backups.length === 0 && listed.damaged.length === 0;
  if (!isEmpty || (await readIdentity(clusterDirectory)) !== undefined) return listed;
  const [repository, cluster] = [dirname(clusterDirectory), basename(clusterDirectory)];
  throw new HoldfastError('failed', `there is nothing of a cluster "${cluster}" in "${repository}"`, {
    code: 'no_repository',
    hint: 'see that its file system is mounted, and give --repository and --cluster as the worker has them that made the backups',
  });
}

/**
 * Finds a backup by the path of its directory. The backup may have been copied out of the repository; the .meta
 * directory has to be beside it.
 * @throws HoldfastError `no_such_backup`; `backup_damaged` or `label_not_found` where backup.json is damaged;
 * `repository_unreadable` where `path` may be a backup but cannot be read
 */
export async function backupAt(path: string): Promise<StoredBackup> {
  const directory = resolve(path);
  const meta = metaDirectory(directory);
  const file = join(meta, 'backup.json');
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTDIR') refuseUnreadable(file, error);
    throw new HoldfastError('failed', `"${path}" is not a backup: ${messageOf(error)}`, {
      code: 'no_such_backup',
      hint: `give a backup's id, its name, or its directory with "${basename(meta)}" beside it in "${dirname(directory)}"`,
      cause: error,
    });
  });
  return { description: parseRepositoryBackup(file, bytes), directory, meta };
}

/** The manifest and the frame index of a backup. */
export interface BackupInventory {
  manifest: Manifest;
  frames: FrameEntry[];
}

/**
 * Reads the manifest and the frame index.
 * @throws HoldfastError `backup_damaged`, with the file and the problem; `repository_unreadable`
 */
export async function readInventory(backup: StoredBackup): Promise<BackupInventory> {
  return { manifest: await readManifest(backup), frames: await readFrames(backup) };
}

/** Reads backup_manifest. @throws HoldfastError `backup_damaged`, `repository_unreadable` */
export function readManifest({ description, directory }: StoredBackup): Promise<Manifest> {
  return checked(join(directory, 'backup_manifest'), description.manifestCrc32c, parseManifest);
}

/**
 * Reads the frame index and checks the index against the sizes of the tars.
 * @throws HoldfastError `backup_damaged`, `repository_unreadable`
 */
export function readFrames(backup: StoredBackup): Promise<FrameEntry[]> {
  const { description, meta } = backup;
  return checked(join(meta, 'frames.jsonl'), description.framesCrc32c, async (bytes) => {
    const frames = readFrameIndex(bytes.toString('utf8'));
    await checkIndex(frames, backup);
    return frames;
  });
}

async function checked<T>(
  file: string,
  expected: number,
  parse: (bytes: Buffer) => T | Promise<T>,
): Promise<T> {
  try {
    const bytes = await readFile(file);
    if (crc32c(bytes) !== expected) throw new RangeError('its CRC-32C is not the one in backup.json');
    const parsed = await parse(bytes);
    releaseBuffer(bytes);
    return parsed;
  } catch (error) {
    refuseUnreadable(file, error);
    throw damaged(file, error);
  }
}

/**
 * Throws where `error` is a failed system call other than "no such file". A file that cannot be read says nothing
 * about the backup; a missing file does.
 * @throws HoldfastError `repository_unreadable`
 */
export function refuseUnreadable(file: string, error: unknown): void {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (syscall === undefined || code === 'ENOENT') return;
  throw repositoryUnreadable(file, error);
}

/** Checks that the frames cover every tar from the first byte to the last, without gaps. @throws RangeError */
async function checkIndex(
  frames: readonly FrameEntry[],
  { description, directory }: StoredBackup,
): Promise<void> {
  const ends = new Map(description.tars.map(({ name }) => [name, 0]));
  for (const { tar, offset, length } of frames) {
    if (ends.get(tar) !== offset)
      throw new RangeError(`a frame of ${tar} begins at ${offset}, not at ${ends.get(tar)}`);
    ends.set(tar, offset + length);
  }
  for (const { name, bytes } of description.tars) {
    if (ends.get(name) !== bytes)
      throw new RangeError(`${name} ends at ${ends.get(name)} there, at ${bytes} in backup.json`);
    const { size } = await stat(join(directory, name));
    if (size !== bytes) throw new RangeError(`${name} has ${size} bytes instead of ${bytes}`);
  }
}

function damaged(file: string, error: unknown): HoldfastError {
  return new HoldfastError('failed', `"${file}" cannot be used: ${messageOf(error)}`, {
    code: 'backup_damaged',
    hint: 'restore another backup: "holdfast verify --all" says which ones are sound',
    cause: error,
  });
}
