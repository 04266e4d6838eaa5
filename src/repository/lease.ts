/**
 * `leases/<hash>-<backup>.json`: a server was restored from a backup, and may still have to read the
 * WAL after it. `restore` leaves it, `wal fetch` renews it (see renew-lease.ts), expiry removes it when it is over.
 */
import { createHash, randomUUID } from 'node:crypto';
import { readFile, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { bootId } from '../system/process-identity.ts';
import { beside, makeDurableDirectory } from '../system/held-directory.ts';
import { leaseFile, leasesDirectory } from './renew-lease.ts';
import { namesIn } from './repository-backup.ts';
import { repositoryError, repositoryUnreadable } from './repository-errors.ts';
import { replaceFile } from './repository-owner.ts';

/** Whose the directory is, besides its path: another one may be there, or nothing that is seen from here. */
export interface LeasePlace {
  inode: number;
  /** When the directory was made, in milliseconds; undefined: its file system does not say so. */
  born?: number | undefined;
  /** Of its file PG_VERSION, which no server ever writes; 0: it is not there yet, as a restore is at work. */
  versionInode: number;
}

export interface Lease {
  /** Of the restored server: for people, and its path. */
  host: string;
  boot: string;
  directory: string;
  place: LeasePlace;
  /** The backup's name, and where the WAL that it needs begins. */
  backup: string;
  id: number;
  systemIdentifier: string;
  timeline: number;
  startLsn: string;
  /** As recovery_target_timeline. */
  targetTimeline: string;
  at: string;
}

export interface FoundLease {
  path: string;
  /** undefined: it makes no sense. */
  lease: Lease | undefined;
  renewedAt: Date;
}

/** Another one for each restore: an expiry may be about to remove an earlier one of that directory. */
export function leaseName(directory: string, backup: string): string {
  const which = `${hostname()} ${directory} ${randomUUID()}`;
  return `${createHash('sha256').update(which).digest('hex').slice(0, 16)}-${backup}`;
}

export type NewLease = Omit<Lease, 'host' | 'boot' | 'at' | 'place'>;

/**
 * `path`: by which the directory is reached; `isWhole`: whether it has been restored. Takes the place of what earlier
 * restores into that very directory have left; one of the same path may have been moved away, and its server replay
 * there.
 * @throws HoldfastError where it cannot be written
 */
export async function writeLease(
  clusterDirectory: string,
  { name, path, isWhole = true }: { name: string; path: string; isWhole?: boolean },
  lease: NewLease,
): Promise<void> {
  const file = leaseFile(clusterDirectory, name);
  try {
    // Not with the repository: where that is missing, nothing is one.
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

/** An inode's number is given to another directory once it is free, and the root of each file system has the same. */
function isOfSamePlace(
  { lease }: FoundLease,
  { directory, place }: Pick<Lease, 'directory' | 'place'>,
): boolean {
  if (lease?.host !== hostname() || lease.directory !== directory) return false;
  return lease.place.inode === place.inode && place.born !== undefined && lease.place.born === place.born;
}

/** @throws HoldfastError where nobody can know which there are */
export async function readLeases(clusterDirectory: string): Promise<FoundLease[]> {
  const directory = leasesDirectory(clusterDirectory);
  const found: FoundLease[] = [];
  for (const name of (await namesIn(directory)).filter((one) => one.endsWith('.json')).sort()) {
    const path = join(directory, name);
    try {
      const { mtime } = await stat(path);
      const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'EACCES') return ''; // another user's
        throw error;
      });
      found.push({ path, lease: parse(text), renewedAt: mtime });
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

export async function removeLease(path: string): Promise<void> {
  await beside(path, (file) => rm(file, { force: true }));
}

/** Whether that very directory is seen from here, and its server recovers no more. */
export async function hasRecovered({ directory, place }: Lease): Promise<boolean> {
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
  // Where there is no such time, 0 or another one stands for it.
  const { ino, birthtimeMs: born, ctimeMs } = directory;
  return { inode: ino, versionInode: version.ino, born: born === 0 || born === ctimeMs ? undefined : born };
}
