/**
 * Archives what waits for the archiver before its turn comes, so that "wal push" finds it done. It goes in the
 * archiver's own order, the first file included, and nothing gets its name in the archive before the file ahead of it
 * has: what the archive refuses of this data directory, the archiver must meet before anything behind it is archived.
 */
import { join } from 'node:path';
import { TaskThread } from '../system/thread-tasks.ts';
import { AheadPass } from './ahead-pass.ts';
import { prepareWal, type PreparedFile } from './push-segment.ts';
import { declaredDestination, isOwnDirectory } from './pushed-markers.ts';
import { sameRepository } from './same-repository.ts';
import { waitingFiles } from './waiting-files.ts';

export interface AheadOptions {
  dataDirectory: string;
  /** The cluster's directory in this worker's repository. */
  clusterDirectory: string;
  compressLevel: number;
  /** How many files behind the first. */
  ahead: number;
  /**
   * For a process that stays: its own thread is not kept busy, and where many wait, others archive them. A process that
   * is there for this alone does all of it itself, since a thread costs more to start than it saves.
   */
  mayUseThreads?: boolean;
  /** Between two files, whether to go on. */
  goOn: () => boolean | Promise<boolean>;
}

/** Files that are prepared at the same time: one is compressed while another is on its way to the disk. */
const atOnce = 2;
/** Waiting files for which it is worth while to start threads. */
const many = 6;

/** One look at archive_status and what follows from it; how many files were archived. */
export async function pushAhead(options: AheadOptions): Promise<number> {
  const { dataDirectory, clusterDirectory, compressLevel, ahead, mayUseThreads = false, goOn } = options;
  const walDirectory = join(dataDirectory, 'pg_wal');
  const target = await declaredDestination(walDirectory);
  if (target?.clusterDirectory !== clusterDirectory || !(await isOwnDirectory(walDirectory))) return 0;
  await sameRepository(walDirectory, clusterDirectory); // else receipts would speak of another one
  const hasMany = mayUseThreads && (await waitingFiles(walDirectory)).length >= many;
  const pass = new AheadPass({ walDirectory, target, ahead, goOn });
  const lanes = Array.from({ length: atOnce }, async () => {
    const shared = { clusterDirectory, compressLevel, hasThread: !mayUseThreads };
    const thread = hasMany ? new TaskThread<PreparedFile>(import.meta.url, 'push-thread', shared) : undefined;
    try {
      await pass.run((path) => thread?.do(path) ?? prepareWal({ ...shared, path }));
    } finally {
      await thread?.end();
    }
  });
  await Promise.allSettled(lanes); // none is left at work when another has failed
  await Promise.all(lanes);
  return pass.result();
}
