/** A thread that prefetches segments into the spool (see spool.ts), one after the other. */
import { closeSync, openSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { workerData } from 'node:worker_threads';
import type { ClusterIdentity } from '../repository/cluster-identity.ts';
import { keepFreedMemory } from '../system/keep-freed-memory.ts';
import { archivedPath } from '../repository/wal-archive.ts';
import { doTasks } from '../system/thread-tasks.ts';
import { writeSegment } from './fetch-segment.ts';
import { examineSegment } from './examine-segment.ts';
import { openRegularFileSync } from '../system/regular-file.ts';

/** The worker data of the thread. */
export interface FetchSetup {
  spool: string;
  clusterDirectory: string;
  identity: ClusterIdentity;
}

const { spool, clusterDirectory, identity } = workerData as FetchSetup;

keepFreedMemory();
doTasks(makeReady);

/**
 * Prefetches one segment. Returns false where the segment does not exist or cannot be fetched; the fetch that needs
 * the segment reports the reason.
 */
function makeReady(name: string): boolean {
  const archived = archivedPath(clusterDirectory, name);
  const temporary = join(spool, `${name}.fetching`);
  try {
    const source = openRegularFileSync(archived);
    try {
      const target = openSync(temporary, 'w', 0o600);
      try {
        const look = examineSegment(name, clusterDirectory);
        writeSegment(source, target, { name, archived, identity, look });
        // The fetch that needs the segment examines it closely.
        if (look?.isSuspect === true) throw new Error(`${name} may create a tablespace`);
      } finally {
        closeSync(target);
      }
    } finally {
      closeSync(source);
    }
    renameSync(temporary, join(spool, name));
    return true;
  } catch {
    rmSync(temporary, { force: true });
    return false;
  }
}
