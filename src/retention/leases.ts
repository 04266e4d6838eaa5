/** Examines the leases of restored servers, which may still read WAL. */
import { stat } from 'node:fs/promises';
import { parseLsn } from '../postgres/lsn.ts';
import { hasRecovered, readLeases, type FoundLease } from '../repository/lease.ts';
import type { Lease } from '../repository/lease-file.ts';
import { ownerFile } from '../repository/repository-owner.ts';
import type { OldestNeededWal } from './decide-wal.ts';

/** Milliseconds without a renewal after which a lease is over. */
export const leaseLasts = 7 * 86_400_000;

/** The leases of a cluster. */
export interface LeasedWal {
  /** Leases that are valid, with the reason why WAL stays. */
  valid: { lease: Lease; reason: string }[];
  /** Paths of leases that are over. */
  over: string[];
  /** Why no WAL may be removed; undefined if all leases can be read. */
  unknown: string | undefined;
}

/**
 * Examines all leases of a cluster. The time of a renewal is from the clock of the repository's file system,
 * which may be behind the clock of this host. The modification time of owner.json is a lower bound for the
 * file system's clock, because every expiry and, each minute, every worker writes owner.json. `trusted`
 * returns whether the clock is reliable; if not, no lease is over because of its age. `except` has the paths
 * of leases that are known to be over.
 */
export async function lookAtLeases(
  clusterDirectory: string,
  now: Date,
  trusted: () => Promise<boolean>,
  except: readonly string[] = [],
): Promise<LeasedWal> {
  const leases: LeasedWal = { valid: [], over: [], unknown: undefined };
  const there = await stat(ownerFile(clusterDirectory)).catch(() => undefined);
  const present = Math.min(now.getTime(), there?.mtimeMs ?? Infinity);
  for (const found of await readLeases(clusterDirectory)) {
    const { path, lease, renewedAt } = found;
    if (except.includes(path)) continue;
    const age = now.getTime() - renewedAt.getTime();
    const isOld = present - renewedAt.getTime() > leaseLasts;
    if ((lease && (await hasRecovered(lease))) || (isOld && (await trusted()))) leases.over.push(path);
    else if (lease) leases.valid.push({ lease, reason: whyLeased(found, lease, age) });
    else leases.unknown ??= `"${path}" is the lease of a restored server, and is damaged`;
  }
  return leases;
}

/**
 * Whether a lease names the backup at this moment. `over` has the paths of leases that are known to be over.
 */
export async function isLeased(
  clusterDirectory: string,
  backup: string,
  { over }: Pick<LeasedWal, 'over'>,
): Promise<boolean> {
  for (const { path, lease } of await readLeases(clusterDirectory))
    if (lease?.backup === backup && !over.includes(path) && !(await hasRecovered(lease))) return true;
  return false;
}

function whyLeased({ path }: FoundLease, { directory, host }: Lease, age: number): string {
  return `it is being recovered in "${directory}" on host ${host}, says the lease "${path}", renewed ${ageOf(age)} ago`;
}

function ageOf(milliseconds: number): string {
  const minutes = Math.max(0, Math.floor(milliseconds / 60_000));
  if (minutes < 120) return `${minutes} min`;
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / (24 * 60))} d`;
}

/** The WAL that the leases of removed backups need: their servers still read the WAL. */
export function leasedBeginnings(
  { valid }: LeasedWal,
  systemIdentifier: string | undefined,
  candidates: readonly { name: string; method: string }[],
): OldestNeededWal[] {
  const isThere = (backup: string) =>
    candidates.some(({ name, method }) => name === backup && method === 'copy');
  return valid
    .filter(({ lease }) => lease.systemIdentifier === systemIdentifier && !isThere(lease.backup))
    .map(({ lease: { id, timeline, startLsn }, reason }) => ({
      id,
      timeline,
      startLsn: parseLsn(startLsn),
      reason,
      isRead: true,
    }));
}
