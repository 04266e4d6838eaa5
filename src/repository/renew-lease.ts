/** What `wal fetch` does for the lease that its restore has left; with little behind it, since fetching must be quick. */
import { stat, utimes } from 'node:fs/promises';
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
    if (Math.abs(now.getTime() - (await stat(file)).mtimeMs) >= renewedEvery) await utimes(file, now, now);
  } catch {
    // It is over, or not ours to renew.
  }
}
