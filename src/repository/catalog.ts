/**
 * The catalog: the backups in the repository of a cluster, the damaged ones included. A backup that an expiry is
 * removing is no longer one of them; the catalog has its name only.
 * Needs neither a database nor a worker.
 */
import { existsSync } from 'node:fs';
import { lstat, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { entryName, isEntryOf, splitBackupName } from './backup-name.ts';
import { readIdentity } from './cluster-identity.ts';
import {
  backupsDirectory,
  metaDirectory,
  namesIn,
  parseRepositoryBackup,
  type RepositoryBackup,
} from './repository-backup.ts';
import { backupDamaged, isUnreadable, refuseUnreadable } from './repository-errors.ts';
import { readSmallFile } from '../system/small-file.ts';

/** A finished backup. */
export interface StoredBackup {
  description: RepositoryBackup;
  /** The directory with the tars and backup_manifest. */
  directory: string;
  /** The directory with backup.json, backup_label and the frame index. */
  meta: string;
}

/** A finished backup whose backup.json is missing, damaged or cannot be read. */
export interface DamagedBackup {
  name: string;
  /** The message of `error`. */
  problem: string;
  error: HoldfastError;
}

/** The backups of a cluster. */
export interface Catalog {
  /** The finished backups, oldest first. */
  backups: StoredBackup[];
  damaged: DamagedBackup[];
  /** The names of the backups that an expiry is removing, or has removed while the catalog was read. */
  expiring: string[];
}

/** Reads the catalog of a cluster. @throws HoldfastError `repository_unreadable` */
export async function readCatalog(clusterDirectory: string): Promise<Catalog> {
  return readCatalogIn(backupsDirectory(clusterDirectory));
}

/**
 * Reads the catalog of the backups in a directory, which may be one to which somebody has copied them.
 * @throws HoldfastError `repository_unreadable`
 */
export async function readCatalogIn(parent: string): Promise<Catalog> {
  const catalog: Catalog = { backups: [], damaged: [], expiring: [] };
  for (const [name, suffixes] of await namesBelow(parent)) {
    if (isExpiring(suffixes)) catalog.expiring.push(name);
    if (!suffixes.has('') || suffixes.has('.meta.expired')) continue;
    const directory = join(parent, name);
    try {
      catalog.backups.push(await readListed(directory, suffixes));
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      if (await hasExpired(directory)) catalog.expiring.push(name);
      else catalog.damaged.push({ name, problem: problemOf(error), error });
    }
  }
  return catalog;
}

/** Whether an expiry has begun to remove a backup, or has removed it, since its name was read. */
async function hasExpired(directory: string): Promise<boolean> {
  const meta = metaDirectory(directory);
  if (existsSync(`${meta}.expired`)) return true;
  return (await isGone(directory)) && (await isGone(meta));
}

async function isGone(path: string): Promise<boolean> {
  return lstat(path).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
  );
}

async function readListed(directory: string, suffixes: ReadonlySet<string>): Promise<StoredBackup> {
  const meta = metaDirectory(directory);
  if (!suffixes.has('.meta')) throw backupDamaged(`"${meta}" is missing`);
  const file = join(meta, 'backup.json');
  const bytes = await readSmallFile(file).catch((error: unknown) => {
    refuseUnreadable(file, error);
    throw backupDamaged(`"${file}" is missing`, error);
  });
  const description = parseRepositoryBackup(file, bytes);
  // What is said of a backup by its name, such as that it is held, must not be said of another one.
  if (entryName(description) !== basename(directory))
    throw backupDamaged(`"${file}" is the description of backup ${entryName(description)}`);
  return { description, directory, meta };
}

/** Adds the hint where the file could not be read: such an error says nothing about the backup. */
function problemOf(error: HoldfastError): string {
  return isUnreadable(error) ? `${error.message}; ${error.hint}` : messageOf(error);
}

/**
 * Reads the catalog of a cluster that has to have one.
 * @throws HoldfastError `no_repository` where the directory has neither a backup nor cluster.json, for example
 * because a disk is not mounted; `repository_unreadable`
 */
export async function requireCatalog(clusterDirectory: string): Promise<Catalog> {
  const catalog = await readCatalog(clusterDirectory);
  const isEmpty = catalog.backups.length === 0 && catalog.damaged.length === 0;
  if (!isEmpty || (await readIdentity(clusterDirectory)) !== undefined) return catalog;
  const [repository, cluster] = [dirname(clusterDirectory), basename(clusterDirectory)];
  throw new HoldfastError('failed', `there is nothing of a cluster "${cluster}" in "${repository}"`, {
    code: 'no_repository',
    hint: 'mount its file system, or give --repository and --cluster as the worker has them that made the backups',
  });
}

/**
 * Reads the finished backups, oldest first, for what must not miss one.
 * @throws HoldfastError where one of them is damaged or cannot be read
 */
export async function readAllBackups(clusterDirectory: string): Promise<StoredBackup[]> {
  const { backups, damaged } = await readCatalog(clusterDirectory);
  for (const { error } of damaged) throw error;
  return backups;
}

/**
 * Finds a backup by the path of its directory. The backup may have been copied out of the repository; the .meta
 * directory has to be beside it.
 * @throws HoldfastError `no_such_backup`; `backup_damaged` where backup.json is damaged; `repository_unreadable`
 * where `path` may be a backup but cannot be read
 */
export async function backupAt(path: string): Promise<StoredBackup> {
  const directory = resolve(path);
  const meta = metaDirectory(directory);
  const file = join(meta, 'backup.json');
  const bytes = await readSmallFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTDIR') refuseUnreadable(file, error);
    throw new HoldfastError('failed', `"${path}" is not a backup: ${messageOf(error)}`, {
      code: 'no_such_backup',
      hint: `give a backup's id, its name, or its directory with "${basename(meta)}" beside it in "${dirname(directory)}"`,
      cause: error,
    });
  });
  return { description: parseRepositoryBackup(file, bytes), directory, meta };
}

/**
 * Finds the .meta directories of the backups with the request's `id`, oldest first, in one cluster or, where
 * `cluster` is undefined, in all. A .meta directory has the files of an entry of the label directory.
 */
export async function findBackupEntries(
  repository: string,
  id: number,
  cluster: string | undefined,
): Promise<string[]> {
  const clusters = cluster === undefined ? (await namesIn(repository)).sort() : [cluster];
  const found: string[] = [];
  for (const name of clusters) {
    const directory = join(repository, name);
    if (!(await isDirectory(directory))) continue;
    const names = (await listedNames(directory)).filter((entry) => isEntryOf(entry, id));
    found.push(...names.map((entry) => metaDirectory(join(backupsDirectory(directory), entry))));
  }
  return found;
}

/** Returns the .meta directory beside `directory` if `directory` is a backup's in a repository, or else undefined. */
export async function entryOfBackup(directory: string): Promise<string | undefined> {
  const meta = metaDirectory(directory.replace(/\/+$/, ''));
  return (await isDirectory(meta)) ? meta : undefined;
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}

/** Lists the names of the backups that have their .meta directory, oldest first. None of their files is read. */
export async function listedNames(clusterDirectory: string): Promise<string[]> {
  const names = await namesOfBackups(clusterDirectory);
  return [...names].filter(([, has]) => has.has('') && has.has('.meta')).map(([name]) => name);
}

/**
 * Lists what there is of each backup, finished or not, oldest first: the suffixes behind its name (`''`, `.meta`,
 * `.partial`, `.meta.expired`, …).
 * @throws HoldfastError `repository_unreadable`
 */
export async function namesOfBackups(clusterDirectory: string): Promise<Map<string, Set<string>>> {
  return namesBelow(backupsDirectory(clusterDirectory));
}

async function namesBelow(parent: string): Promise<Map<string, Set<string>>> {
  const found = new Map<string, Set<string>>();
  for (const name of (await namesIn(parent)).sort()) {
    const { backup, suffix } = splitBackupName(name) ?? {};
    if (backup !== undefined && suffix !== undefined)
      found.set(backup, (found.get(backup) ?? new Set()).add(suffix));
  }
  return found;
}

/** Whether an expiry has begun to remove a backup of which this is there. */
export function isExpiring(suffixes: ReadonlySet<string>): boolean {
  return suffixes.has('.expired') || suffixes.has('.meta.expired');
}
