/** The file of a lease, and the data directory that a lease names. Imports few modules, for renew-lease.ts. */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';

/** The directory with the leases of a cluster. */
export function leasesDirectory(clusterDirectory: string): string {
  return join(clusterDirectory, 'leases');
}

/** The path of a lease; `name`: the result of leaseNameOf(). */
export function leaseFile(clusterDirectory: string, name: string): string {
  return join(leasesDirectory(clusterDirectory), `${name}.json`);
}

/** The name of a lease of this backup; `which` tells it from the others. */
export function leaseNameOf(which: readonly unknown[], backup: string): string {
  return `${createHash('sha256').update(which.join(' ')).digest('hex').slice(0, 16)}-${backup}`;
}

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

/** Parses the file of a lease; undefined where it makes no sense. */
export function parseLease(text: string): Lease | undefined {
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

/** Returns the place of a data directory. `isWhole`: whether PG_VERSION is there. */
export async function placeOf(path: string, isWhole = true): Promise<LeasePlace> {
  const directory = await stat(path);
  const version = isWhole ? await stat(join(path, 'PG_VERSION')) : { ino: 0 };
  // A file system without creation times reports 0 or the change time.
  const { ino, birthtimeMs: born, ctimeMs } = directory;
  return { inode: ino, versionInode: version.ino, born: born === 0 || born === ctimeMs ? undefined : born };
}

/** Whether two places are one. A file system that does not record creation times leaves that open. */
export function isSamePlace(one: LeasePlace, other: LeasePlace): boolean {
  if (one.inode !== other.inode || one.versionInode !== other.versionInode) return false;
  return one.born === undefined || other.born === undefined || one.born === other.born;
}
