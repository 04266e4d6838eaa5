/**
 * Renews the lease that a restore has written, on behalf of `wal fetch`. The file imports few modules, because
 * fetching a segment must be fast.
 */
import { constants } from 'node:fs';
import { open, realpath, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { beside } from '../system/held-directory.ts';
import { bootId } from '../system/process-identity.ts';
import { readSmallFile } from '../system/small-file.ts';
import { fileSystemTime } from '../system/temporary-files.ts';
import { isSamePlace, leaseFile, leaseNameOf, parseLease, placeOf, type Lease } from './lease-file.ts';

/** The environment variable in restore_command with the name of the server's lease. */
export const leaseVariable = 'HOLDFAST_LEASE';

/** Milliseconds between two renewals. */
const renewedEvery = 60_000;

/**
 * Sets the modification time of the lease of the server in `dataDirectory`; `name`: the lease of its restore. Never fails: a
 * lease that cannot be renewed lasts as long as a lease that nobody renews. The time is the file system's, because the clock
 * of this host may be wrong. The time is never set back: where the file system's clock is behind, too, the lease keeps its
 * time.
 */
export async function renewLease(
  clusterDirectory: string,
  name: string,
  dataDirectory: string,
): Promise<void> {
  if (!/^[0-9a-f]{16}-[0-9TZ]+-\d+$/.test(name)) return;
  try {
    const own = await leaseOfServer(clusterDirectory, name, dataDirectory);
    await beside(leaseFile(clusterDirectory, own), renewAt);
  } catch {
    // The lease has been removed, or this user may not renew the lease.
  }
}

/**
 * Returns the name of the lease that the server in this directory has to renew. That is the lease of the restore, unless
 * the directory is a copy of the restored one, was moved, or is on a host that has booted since: the lease of the restore
 * ends with the recovery of the directory that it names, and another server goes on reading. Such a server has a lease of
 * its own, which is written here where it is not there yet.
 */
async function leaseOfServer(clusterDirectory: string, name: string, dataDirectory: string): Promise<string> {
  const directory = await realpath(dataDirectory);
  const place = await placeOf(directory);
  const here = { host: hostname(), boot: bootId() ?? '', directory, place };
  const its = await readLease(leaseFile(clusterDirectory, name));
  if (its !== undefined && (await isOf(its, here))) return name;
  const [, backup = ''] = /^[^-]*-(.*)$/.exec(name) ?? [];
  const identity = [name, here.host, here.boot, directory, place.inode, place.versionInode, place.born];
  const own = leaseNameOf(identity, backup);
  const file = leaseFile(clusterDirectory, own);
  const isThere = await stat(file).then(
    () => true,
    () => false,
  );
  if (!isThere && its !== undefined) {
    const { putLease } = await import('./lease.ts');
    await putLease(file, { ...its, ...here, at: new Date().toISOString() });
  }
  return own;
}

async function readLease(path: string): Promise<Lease | undefined> {
  const bytes = await readSmallFile(path).catch(() => undefined);
  return bytes && parseLease(bytes.toString('utf8'));
}

/** Whether the lease names this very directory, on this host and in this boot. */
async function isOf(
  lease: Lease,
  here: Pick<Lease, 'host' | 'boot' | 'directory' | 'place'>,
): Promise<boolean> {
  if (lease.host !== here.host || lease.boot !== here.boot || !isSamePlace(lease.place, here.place))
    return false;
  // The directory of that name may be another one by now, such as the one that this was a snapshot of.
  const named = await stat(lease.directory).catch(() => undefined);
  const own = await stat(here.directory);
  return named?.dev === own.dev && named.ino === own.ino;
}

async function renewAt(file: string): Promise<void> {
  const { mtimeMs } = await stat(file);
  if (Math.abs(Date.now() - mtimeMs) < renewedEvery) return;
  // The prefix is that of the leases' temporary files, so that the next restore removes a file left by a killed
  // process.
  const now = await fileSystemTime(dirname(file), '.lease');
  if (now.getTime() > mtimeMs) await touch(file, now);
}

/** Does not follow a symbolic link in place of the lease. */
async function touch(path: string, now: Date): Promise<void> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    await file.utimes(now, now);
  } finally {
    await file.close();
  }
}
