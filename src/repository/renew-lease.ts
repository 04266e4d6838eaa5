/** What `wal fetch` does for the lease that its restore has left; with little behind it, since fetching must be quick. */
import { constants } from 'node:fs';
import { open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryName } from '../system/temporary-files.ts';

/** In restore_command: which lease the server has. */
export const leaseVariable = 'HOLDFAST_LEASE';

/** Milliseconds. */
const renewedEvery = 60_000;

export function leasesDirectory(clusterDirectory: string): string {
  return join(clusterDirectory, 'leases');
}

export function leaseFile(clusterDirectory: string, name: string): string {
  return join(leasesDirectory(clusterDirectory), `${name}.json`);
}

/**
 * Never fails: where it cannot be renewed, it lasts for as long as one that nobody renews. The time is the file
 * system's, as this host's clock may be wrong, and never an earlier one: where the file system's clock is behind, too,
 * the lease keeps the time that it has.
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
    // It is over, or not ours to renew.
  }
}

/** Not what a link in its place leads to. */
async function touch(path: string, now: Date): Promise<void> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    await file.utimes(now, now);
  } finally {
    await file.close();
  }
}

/** That of a file which is written at this moment. */
async function timeOfFileSystem(directory: string): Promise<Date> {
  // As the temporary files of leases are called: the next restore removes what a killed process left.
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
