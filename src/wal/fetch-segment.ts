/**
 * Fetches one file of the archive for restore_command. PostgreSQL requests many files that do not exist, and takes a
 * missing segment for the end of the WAL. Every other failure is therefore an error, never "not found". The file
 * appears under the requested name only when the content is complete and checked.
 */
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { parseHistoryFile } from '../postgres/timeline-history.ts';
import { unsupportedFormat } from '../postgres/unknown-format-error.ts';
import { checkSegment, segmentHeaderBytes } from '../postgres/wal-header.ts';
import { requireArchiveThere } from '../repository/archive-there.ts';
import { readIdentity, type ClusterIdentity } from '../repository/cluster-identity.ts';
import { readCompressed, writeFully } from '../repository/compressed-file.ts';
import { removeTemporaries, temporaryName } from '../system/temporary-files.ts';
import { repositoryUnreadable } from '../repository/repository-errors.ts';
import { writeAt } from '../system/write-at.ts';
import { archivedPath, isCompressed, walFileKind, type WalFileKind } from '../repository/wal-archive.ts';
import { writtenAs } from './our-directories.ts';
import type { SegmentExamination } from './examine-segment.ts';
import { serverRuns } from './server-state.ts';
import { notWal, systemAround } from './source-file.ts';
import { openRegularFile } from '../system/regular-file.ts';
import { readSmallFile } from '../system/small-file.ts';
import { beside } from '../system/held-directory.ts';

/** The file to fetch, and the checks of its content. */
export interface FetchOptions {
  /** The value of %f in restore_command. */
  name: string;
  /** The value of %p in restore_command. */
  path: string;
  clusterDirectory: string;
  /** Examines the content of a segment; undefined where no examination is needed. */
  look?: SegmentExamination | undefined;
  /**
   * Called where `look` finds the segment suspect.
   * @throws HoldfastError where the segment must not be given to the server
   */
  onSuspect?: ((identity: ClusterIdentity) => Promise<void>) | undefined;
}

/**
 * Writes the archived file `name` to `path`. Returns false where the archive has no such file.
 * @throws HoldfastError where the file cannot be fetched, or where whether the file exists cannot be determined
 */
export async function fetchWal(options: FetchOptions): Promise<boolean> {
  const { name, path, clusterDirectory, look, onSuspect } = options;
  const kind = walFileKind(name);
  if (kind === undefined) throw notWal(name);
  const identity = await requireIdentity(clusterDirectory);
  await refuseOtherSystem(path, clusterDirectory, identity);
  const archived = archivedPath(clusterDirectory, name);
  const source = await openArchived(archived);
  if (source === undefined) {
    await requireArchiveThere(clusterDirectory);
    return false;
  }
  try {
    await writeWhole(path, async (target) => {
      if (isCompressed(kind)) await writeSegment(source, target, { name, archived, identity, look });
      else await writePlain(target, archived, kind);
      if (look?.isSuspect === true) await onSuspect?.(identity);
    });
  } finally {
    await source.close();
  }
  return true;
}

/**
 * Reads cluster.json. A directory without cluster.json may be a file system that is not mounted.
 * @throws HoldfastError `no_archive`
 */
export async function requireIdentity(clusterDirectory: string): Promise<ClusterIdentity> {
  const identity = await readIdentity(clusterDirectory);
  if (identity !== undefined) return identity;
  throw new HoldfastError('failed', `there is no WAL archive in "${clusterDirectory}"`, {
    code: 'no_archive',
    hint: 'mount its file system, or name the repository and the cluster to which the WAL was archived',
  });
}

/**
 * Refuses an archive of another system. Neither the history files nor the end of such an archive say anything about
 * this server.
 */
async function refuseOtherSystem(
  path: string,
  clusterDirectory: string,
  { systemIdentifier }: ClusterIdentity,
): Promise<void> {
  const asking = await systemAround(path);
  if (asking === undefined || asking === systemIdentifier) return;
  throw new HoldfastError(
    'failed',
    `"${clusterDirectory}" has the WAL of the system ${systemIdentifier}, and this server is ${asking}`,
    {
      code: 'other_system',
      hint: 'name the cluster and the repository that this server has archived to, with HOLDFAST_CLUSTER and HOLDFAST_REPOSITORY in restore_command',
    },
  );
}

async function openArchived(archived: string): Promise<FileHandle | undefined> {
  try {
    return await openRegularFile(archived);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw repositoryUnreadable(archived, error);
  }
}

/** Writes to a temporary name in the same directory, and renames the file when complete. */
async function writeWhole(path: string, write: (target: FileHandle) => Promise<void>): Promise<void> {
  try {
    // Without a server, pg_rewind may be running and has listed the files.
    const isRunning = await serverRuns(dirname(dirname(path)));
    await beside(path, (file) => writeBeside(file, isRunning, write));
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    throw new HoldfastError('failed', `"${path}" cannot be written: ${messageOf(error)}`, {
      code: 'fetch_failed',
      hint: 'make room in the file system of the data directory, and pass %p on as it is: restore_command runs in the data directory',
      cause: error,
    });
  }
}

async function writeBeside(
  path: string,
  isRunning: boolean,
  write: (target: FileHandle) => Promise<void>,
): Promise<void> {
  const temporary = join(dirname(path), temporaryName(writtenAs(basename(path))));
  try {
    if (isRunning) await removeTemporaries(dirname(path), writtenAs('')); // of killed fetches
    const target = await open(temporary, 'wx', 0o600);
    try {
      await write(target);
    } finally {
      await target.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** The segment that a file should be. */
interface Expected {
  name: string;
  archived: string;
  identity: ClusterIdentity;
  look?: SegmentExamination | undefined;
}

/**
 * Decompresses a segment and checks every frame, the size and the header. Writing blocks the thread.
 * @throws HoldfastError `archive_damaged`, `unsupported_version`
 */
export async function writeSegment(
  source: FileHandle,
  target: FileHandle,
  { name, archived, identity, look }: Expected,
): Promise<void> {
  try {
    let size = 0;
    let header: Buffer | undefined;
    for await (const content of readCompressed(source, identity.walSegmentSize)) {
      header ??= Buffer.from(content.subarray(0, segmentHeaderBytes));
      writeAt(target.fd, content, size);
      look?.meet(content);
      size += content.length;
    }
    const { systemIdentifier, walSegmentSize: segmentSize } = identity;
    const expected = { name: name.slice(0, 24), systemIdentifier, segmentSize };
    checkSegment(header ?? Buffer.alloc(0), size, expected);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw (
      unsupportedFormat(error, archived) ??
      new HoldfastError('failed', `"${archived}" is damaged: ${error.message}`, {
        code: 'archive_damaged',
        hint: 'rename a good copy over the file, or recover to a target before that file',
        cause: error,
      })
    );
  }
}

async function writePlain(target: FileHandle, archived: string, kind: WalFileKind): Promise<void> {
  const bytes = await readSmallFile(archived);
  if (kind === 'timeline history') parseHistoryFile(archived, bytes);
  await writeFully(target, bytes);
}
