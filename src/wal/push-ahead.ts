/**
 * Archives files before the archiver requests them, so that "wal push" finds a file archived already. Files are
 * archived in the archiver's order, including the first one. No file gets its final name in the archive before the
 * preceding file: where the repository refuses a file, the archiver has to meet the refusal before any later file is
 * archived.
 */
import { join } from 'node:path';
import { TaskThread } from '../system/thread-tasks.ts';
import { AheadPass } from './ahead-pass.ts';
import { prepareWal, type PreparedFile } from './push-segment.ts';
import { isOwnDirectory } from './our-directories.ts';
import { declaredDestination } from './pushed-markers.ts';
import { sameRepository } from './same-repository.ts';
import type { UnknownWalWarning } from './unknown-wal-warning.ts';
import { waitingFiles } from './waiting-files.ts';

/** Options of pushing ahead. */
export interface AheadOptions {
  dataDirectory: string;
  /** The cluster's directory in this worker's repository. */
  clusterDirectory: string;
  compressLevel: number;
  /** The number of files behind the first one. */
  ahead: number;
  /**
   * true for a long-running process: its main thread is not blocked, and additional threads are started where many
   * files wait. false for a process started only to push ahead: the process does all work itself, because starting a
   * thread costs more than the thread saves.
   */
  mayUseThreads?: boolean;
  /** Whether to continue; asked before each file. */
  goOn: () => boolean | Promise<boolean>;
  onWarning?: (warning: UnknownWalWarning) => void;
}

/** Files prepared at the same time: one is compressed while another is synced. */
const atOnce = 2;
/** The number of waiting files from which starting threads pays off. */
const many = 6;

/**
 * Makes one pass over archive_status. Returns the number of archived files; 0 where the data directory archives
 * elsewhere.
 * @throws the error of the first file that could not be archived
 */
export async function pushAhead(options: AheadOptions): Promise<number> {
  const { dataDirectory, clusterDirectory, compressLevel, mayUseThreads = false } = options;
  const walDirectory = join(dataDirectory, 'pg_wal');
  const target = await declaredDestination(walDirectory);
  if (target?.clusterDirectory !== clusterDirectory || !(await isOwnDirectory(walDirectory))) return 0;
  await sameRepository(walDirectory, clusterDirectory); // markers must not refer to another repository
  const hasMany = mayUseThreads && (await waitingFiles(walDirectory)).length >= many;
  const pass = new AheadPass({ ...options, walDirectory, target });
  const lanes = Array.from({ length: atOnce }, async () => {
    const shared = { clusterDirectory, compressLevel, hasThread: !mayUseThreads };
    const thread = hasMany ? new TaskThread<PreparedFile>(import.meta.url, 'push-thread', shared) : undefined;
    try {
      await pass.run((path) => thread?.do(path) ?? prepareWal({ ...shared, path }));
    } finally {
      await thread?.end();
    }
  });
  await Promise.allSettled(lanes); // waits for all lanes, even if one has failed
  await Promise.all(lanes);
  return pass.result();
}
