/**
 * Archives files before the archiver requests them, so that "wal push" finds a file archived already. Files are
 * archived in the archiver's order, including the first one. No file gets its final name in the archive before the
 * preceding file: where the repository refuses a file, the archiver has to meet the refusal before any later file is
 * archived.
 */
import { join } from 'node:path';
import { keepFreedMemory } from '../system/keep-freed-memory.ts';
import { withRareCollections } from '../system/rare-collections.ts';
import { AheadPass } from './ahead-pass.ts';
import { attend, stopAttending } from './attendance.ts';
import { prepareWal, removeLeftBehind } from './push-segment.ts';
import { isOwnDirectory } from './our-directories.ts';
import { declaredDestination, recordedRefusal, type ArchiveDestination } from './pushed-markers.ts';
import { sameRepository } from './same-repository.ts';
import type { UnknownWalWarning } from './unknown-wal-warning.ts';

/** Options of pushing ahead. */
export interface AheadOptions {
  dataDirectory: string;
  /** The cluster's directory in this worker's repository. */
  clusterDirectory: string;
  compressLevel: number;
  /** The number of files behind the first one. */
  ahead: number;
  /**
   * true for a process that calls this function as soon as a file waits: "wal push" leaves every file to that process.
   */
  attends?: boolean;
  /** Whether to continue; asked before each file. */
  goOn: () => boolean | Promise<boolean>;
  onWarning?: (warning: UnknownWalWarning) => void;
}

/** Files in hand at the same time: one is compressed while those before it are synced and get their names. */
const atOnce = 4;

/**
 * Makes one pass over archive_status. Returns the number of archived files; 0 where the data directory archives
 * elsewhere.
 * @throws the error of the first file that could not be archived
 */
export async function pushAhead(options: AheadOptions): Promise<number> {
  const { dataDirectory, clusterDirectory, attends = false } = options;
  const walDirectory = join(dataDirectory, 'pg_wal');
  const target = await declaredDestination(walDirectory);
  if (target?.clusterDirectory !== clusterDirectory || !(await isOwnDirectory(walDirectory))) return 0;
  if (!attends) return pushWaiting(options, target);
  try {
    const pushed = await pushWaiting(options, target);
    if ((await recordedRefusal(walDirectory)) !== undefined) await stopAttending(walDirectory);
    else if (await options.goOn()) await attend(walDirectory, target);
    return pushed;
  } catch (error) {
    if (await options.goOn()) await stopAttending(walDirectory);
    throw error;
  }
}

async function pushWaiting(options: AheadOptions, target: ArchiveDestination): Promise<number> {
  const { dataDirectory, clusterDirectory, compressLevel, attends = false } = options;
  const walDirectory = join(dataDirectory, 'pg_wal');
  await sameRepository(walDirectory, clusterDirectory); // markers must not refer to another repository
  await removeLeftBehind(clusterDirectory);
  keepFreedMemory();
  const pass = new AheadPass({ ...options, walDirectory, target, alone: attends });
  const lanes = Array.from({ length: atOnce }, () =>
    pass.run((path) => prepareWal({ path, clusterDirectory, compressLevel, isTidy: true })),
  );
  await withRareCollections(() => Promise.allSettled(lanes)); // waits for all lanes, even if one has failed
  await Promise.all(lanes);
  return pass.result();
}
