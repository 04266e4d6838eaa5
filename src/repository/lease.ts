/**
 * `leases/<hash>-<backup>.json`: a lease says that a server was restored from a backup and may still have to read the
 * WAL after the backup. `restore` writes a lease, and `wal fetch` renews the lease (see renew-lease.ts). An expiry
 * removes the lease when the server has recovered, or has not renewed the lease for a week (see retention/leases.ts).
 */
import { createHash, randomUUID } from 'node:crypto';
import { rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { bootId } from '../system/process-identity.ts';
import { beside, makeDurableDirectory } from '../system/held-directory.ts';
import { leaseFile, leasesDirectory } from './renew-lease.ts';
import { namesIn } from './repository-backup.ts';
import { repositoryError, repositoryUnreadable } from './repository-errors.ts';
import { replaceFile } from './repository-owner.ts';
import { readSmallFile } from '../system/small-file.ts';

/**
 * Identifies the restored data directory in addition to its path: another directory may have the same path, or the
 * path may not be visible from this host.
 */
export interface LeasePlace {
  /** The inode number of the directory. */
  inode: number;
  /**
   * When the directory was created. Milliseconds since 1970. undefined: the file system does not record creation
   * times.
   */
  born?: number | undefined;
  /**
   * The inode number of PG_VERSION, a file that no server ever writes. 0: PG_VERSION does not exist yet, because the
   * restore is still running.
   */
  versionInode: number;
}

/** The content of a lease. */
export interface Lease {
  /** The host, boot id and data directory of the restored server. The host is shown to people. */
  host: string;
  boot: string;
  directory: string;
  place: LeasePlace;
  /** The name of the backup. */
  backup: string;
  /** The id of the backup's request. */
  id: number;
  systemIdentifier: string;
  /** The timeline and the LSN at which the WAL that the server needs begins. */
  timeline: number;
  startLsn: string;
  /** The value of recovery_target_timeline. */
  targetTimeline: string;
  /** When the lease was written. ISO 8601 in UTC. */
  at: string;
}

/** A lease file in the repository. */
export interface FoundLease {
  path: string;
  /** undefined: the content cannot be parsed, or the file belongs to another user. */
  lease: Lease | undefined;
  /** The modification time of the file. */
  renewedAt: Date;
}

/**
 * Returns a new name for each restore. An expiry may be about to remove an earlier lease of the same directory, so
 * names are never reused.
 */
export function leaseName(directory: string, backup: string): string {
  const which = `${hostname()} ${directory} ${randomUUID()}`;
  return `${createHash('sha256').update(which).digest('hex').slice(0, 16)}-${backup}`;
}

/** The fields of a lease that the restore has to give. */
export type NewLease = Omit<Lease, 'host' | 'boot' | 'at' | 'place'>;

/**
 * Writes a lease; `path` leads to the restored directory, `isWhole` says whether the restore has finished. Removes
 * the leases of earlier restores into the very same directory. A lease of the same path may be of a directory that
 * has been moved away and whose server is still in recovery; such a lease stays.
 * @throws HoldfastError where the lease cannot be written
 */
export async function writeLease(
  clusterDirectory: string,
  { name, path, isWhole = true }: { name: string; path: string; isWhole?: boolean },
  lease: NewLease,
): Promise<void> {
  const file = leaseFile(clusterDirectory, name);
  try {
    // The leases directory is created, but not the cluster's directory: a cluster's directory that is missing is not
    // a repository.
    await stat(clusterDirectory);
    await makeDurableDirectory(dirname(file));
    const made = { host: hostname(), boot: bootId() ?? '', at: new Date().toISOString() };
    const place = await placeOf(path, isWhole);
    const content = { version: 1, ...lease, ...made, place };
    const text = `${JSON.stringify(content, null, 2)}\n`;
    await replaceFile({ path: file, text, temporaries: '.lease' });
    for (const earlier of await readLeases(clusterDirectory))
      if (earlier.path !== file && isOfSamePlace(earlier, { ...lease, place }))
        await removeLease(earlier.path);
  } catch (error) {
    throw repositoryError(error, file);
  }
}

/**
 * Compares the creation time as well: a file system reuses inode numbers, and all root directories of file systems
 * have the same inode number.
 */
function isOfSamePlace(
  { lease }: FoundLease,
  { directory, place }: Pick<Lease, 'directory' | 'place'>,
): boolean {
  if (lease?.host !== hostname() || lease.directory !== directory) return false;
  return lease.place.inode === place.inode && place.born !== undefined && lease.place.born === place.born;
}

/** Reads all leases. @throws HoldfastError `repository_unreadable` where the leases cannot be listed or read */
export async function readLeases(clusterDirectory: string): Promise<FoundLease[]> {
  const directory = leasesDirectory(clusterDirectory);
  const found: FoundLease[] = [];
  for (const name of (await namesIn(directory)).filter((one) => one.endsWith('.json')).sort()) {
    const path = join(directory, name);
    try {
      const { mtime } = await stat(path);
      const bytes = await readSmallFile(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'EACCES') return Buffer.alloc(0); // the lease belongs to another user
        throw error;
      });
      found.push({ path, lease: parse(bytes.toString('utf8')), renewedAt: mtime });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw repositoryUnreadable(path, error);
    }
  }
  return found;
}

function parse(text: string): Lease | undefined {
  let value: Partial<Lease> & { version?: unknown };
  try {
    value = (JSON.parse(text) ?? {}) as typeof value;
  } catch {
    return undefined;
  }
  const { directory, host, backup, systemIdentifier, startLsn, id, timeline, place } = value;
  const texts = [directory, host, backup, systemIdentifier, startLsn];
  const numbers = [id, timeline, place?.inode, place?.versionInode];
  if (value.version !== 1 || !texts.every((one) => typeof one === 'string')) return undefined;
  if (!numbers.every((one) => typeof one === 'number') || !/^[0-9A-F]+\/[0-9A-F]+$/.test(startLsn ?? ''))
    return undefined;
  return value as Lease;
}

/** Removes a lease by the path of its file. */
export async function removeLease(path: string): Promise<void> {
  await beside(path, (file) => rm(file, { force: true }));
}

/**
 * Whether the very directory of the lease is visible from this host and its server has left recovery: neither
 * recovery.signal nor standby.signal exists. A clone of the host has a directory of the same inodes, so only the boot
 * that wrote the lease counts.
 */
export async function hasRecovered({ boot, directory, place }: Lease): Promise<boolean> {
  if (boot !== (bootId() ?? '')) return false;
  const here = await placeOf(directory).catch(() => undefined);
  if (here?.inode !== place.inode || here.versionInode !== place.versionInode) return false;
  if (place.born !== undefined && here.born !== undefined && here.born !== place.born) return false;
  const isThere = (name: string) =>
    stat(join(directory, name)).then(
      () => true,
      (error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? false : undefined),
    );
  return (await isThere('recovery.signal')) === false && (await isThere('standby.signal')) === false;
}

async function placeOf(path: string, isWhole = true): Promise<LeasePlace> {
  const directory = await stat(path);
  const version = isWhole ? await stat(join(path, 'PG_VERSION')) : { ino: 0 };
  // A file system without creation times reports 0 or the change time.
  const { ino, birthtimeMs: born, ctimeMs } = directory;
  return { inode: ino, versionInode: version.ino, born: born === 0 || born === ctimeMs ? undefined : born };
}
