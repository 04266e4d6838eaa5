/**
 * `leases/<hash>-<backup>.json`: a lease says that a server was restored from a backup and may still have to read the
 * WAL after the backup. `restore` and `place` write a lease, and `wal fetch` renews the lease (see renew-lease.ts). An expiry
 * removes the lease when the server has recovered, or has not renewed the lease for a week (see retention/leases.ts).
 */
import { randomUUID } from 'node:crypto';
import { rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { bootId } from '../system/process-identity.ts';
import { beside } from '../system/held-directory.ts';
import { makeBelow } from '../system/make-below.ts';
import {
  isSamePlace,
  leaseFile,
  leaseNameOf,
  leasesDirectory,
  parseLease,
  placeOf,
  type Lease,
} from './lease-file.ts';
import { namesIn } from './repository-backup.ts';
import { repositoryError, repositoryUnreadable } from './repository-errors.ts';
import { replaceFile } from './repository-owner.ts';
import { readSmallFile } from '../system/small-file.ts';

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
  return leaseNameOf([hostname(), directory, randomUUID()], backup);
}

/** Writes the file of a lease. @throws HoldfastError where it cannot be written */
export function putLease(file: string, lease: Lease): Promise<void> {
  const text = `${JSON.stringify({ version: 1, ...lease }, null, 2)}\n`;
  return replaceFile({ path: file, text, temporaries: '.lease' });
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
    await makeBelow(clusterDirectory, dirname(file));
    const made = { host: hostname(), boot: bootId() ?? '', at: new Date().toISOString() };
    const place = await placeOf(path, isWhole);
    await putLease(file, { ...lease, ...made, place });
    for (const earlier of await readLeases(clusterDirectory))
      if (earlier.path !== file && isOfSamePlace(earlier, { ...lease, ...made, place }))
        await removeLease(earlier.path);
  } catch (error) {
    throw repositoryError(error, file);
  }
}

/**
 * Compares the creation time as well: a file system reuses inode numbers, and all root directories of file systems
 * have the same inode number. A clone of the host has the same directory, but not the same boot.
 */
function isOfSamePlace(
  { lease }: FoundLease,
  { host, boot, directory, place }: Pick<Lease, 'host' | 'boot' | 'directory' | 'place'>,
): boolean {
  if (lease?.host !== host || lease.boot !== boot || lease.directory !== directory) return false;
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
      found.push({ path, lease: parseLease(bytes.toString('utf8')), renewedAt: mtime });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw repositoryUnreadable(path, error);
    }
  }
  return found;
}

/** Removes a lease by the path of its file. */
export async function removeLease(path: string): Promise<void> {
  await beside(path, (file) => rm(file, { force: true }));
}

/**
 * Whether the very directory of the lease is visible from this host and its server has left recovery: neither
 * recovery.signal nor standby.signal exists, nor the backup_label with which recovery begins. A clone of the host has a directory of the same inodes, so only the boot
 * that wrote the lease counts.
 */
export async function hasRecovered({ boot, directory, place }: Lease): Promise<boolean> {
  if (boot !== (bootId() ?? '')) return false;
  const here = await placeOf(directory).catch(() => undefined);
  if (here === undefined || !isSamePlace(place, here)) return false;
  const isThere = (name: string) =>
    stat(join(directory, name)).then(
      () => true,
      (error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? false : undefined),
    );
  const signs = await Promise.all(['backup_label', 'recovery.signal', 'standby.signal'].map(isThere));
  return signs.every((is) => is === false);
}
