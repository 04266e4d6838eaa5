/** What `wal fetch` does for the lease that its restore has left; with little behind it, since fetching must be quick. */
import { constants } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';

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

/** Never fails: where it cannot be renewed, it lasts for as long as one that nobody renews. */
export async function renewLease(clusterDirectory: string, name: string): Promise<void> {
  if (!/^[0-9a-f]{16}-[0-9TZ]+-\d+$/.test(name)) return;
  const file = leaseFile(clusterDirectory, name);
  try {
    const now = new Date();
    if (Math.abs(now.getTime() - (await stat(file)).mtimeMs) >= renewedEvery) await touch(file, now);
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
