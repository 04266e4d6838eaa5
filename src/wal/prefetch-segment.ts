/** Prefetches one segment into the spool (see spool.ts). */
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClusterIdentity } from '../repository/cluster-identity.ts';
import { archivedPath } from '../repository/wal-archive.ts';
import { openRegularFile } from '../system/regular-file.ts';
import { examineSegment } from './examine-segment.ts';
import { writeSegment } from './fetch-segment.ts';

/** The spool, and the archive that fills it. */
export interface PrefetchSetup {
  spool: string;
  clusterDirectory: string;
  identity: ClusterIdentity;
}

/**
 * Prefetches a segment. Returns the open file, which is not synced; undefined where the segment does not exist or
 * cannot be fetched, for a reason that the fetch that needs the segment reports.
 */
export async function prefetchSegment(setup: PrefetchSetup, name: string): Promise<FileHandle | undefined> {
  const temporary = join(setup.spool, `${name}.fetching`);
  let target: FileHandle | undefined;
  try {
    target = await open(temporary, 'w', 0o600);
    await writeArchived(setup, name, target);
    await rename(temporary, join(setup.spool, name));
    return target;
  } catch {
    await target?.close();
    await rm(temporary, { force: true });
    return undefined;
  }
}

async function writeArchived(
  { clusterDirectory, identity }: PrefetchSetup,
  name: string,
  target: FileHandle,
): Promise<void> {
  const archived = archivedPath(clusterDirectory, name);
  const source = await openRegularFile(archived);
  try {
    const look = examineSegment(name, clusterDirectory);
    await writeSegment(source, target, { name, archived, identity, look });
    // The fetch that needs the segment examines it closely.
    if (look?.isSuspect === true) throw new Error(`${name} may create a tablespace`);
  } finally {
    await source.close();
  }
}
