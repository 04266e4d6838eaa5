/**
 * Renews the lease that a restore has written, on behalf of `wal fetch`. The file imports few modules, because
 * fetching a segment must be fast.
 */
import { constants } from 'node:fs';
import { open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryName } from '../system/temporary-files.ts';

/** The environment variable in restore_command with the name of the server's lease. */
export const leaseVariable = 'HOLDFAST_LEASE';

/** Milliseconds between two renewals. */
const renewedEvery = 60_000;

/** The directory with the leases of a cluster. */
export function leasesDirectory(clusterDirectory: string): string {
  return join(clusterDirectory, 'leases');
}

/** The path of a lease; `name`: the result of leaseName(). */
export function leaseFile(clusterDirectory: string, name: string): string {
  return join(leasesDirectory(clusterDirectory), `${name}.json`);
}

/**
 * Sets the modification time of the lease. Never fails: a lease that cannot be renewed lasts as long as a lease that
 * nobody renews. The time is the file system's, because the clock of this host may be wrong. The time is never set
 * back: where the file system's clock is behind, too, the lease keeps its time.
 */
export async function renewLease(clusterDirectory: string, name: string): Promise<void> {
  if (!/^[0-9a-f]{16}-[0-9TZ]+-\d+$/.test(name)) return;
  const file = leaseFile(clusterDirectory, name);
  try {
    const { mtimeMs } = await stat(file);
    if (Math.abs(Date.now() - mtimeMs) < renewedEvery) return;
    const now = await timeOfFileSystem(leasesDirectory(clusterDirectory));
    if (now.getTime() > mtimeMs) await touch(file, now);
  } catch {
    // The lease has been removed, or this user may not renew the lease.
  }
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

/** Returns the modification time of a file written now. */
async function timeOfFileSystem(directory: string): Promise<Date> {
  // The prefix is that of the leases' temporary files, so that the next restore removes a file left by a killed
  // process.
  const path = join(directory, temporaryName('.lease'));
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile('.');
    return (await file.stat()).mtime;
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}
