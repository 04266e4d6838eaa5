/**
 * Archives one WAL file. When the promise resolves, the repository has the file's content on disk under the file's
 * name. An identical archived file is accepted; a different one is never overwritten.
 */
import { rm, type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { removeTemporaries } from '../system/temporary-files.ts';
import { claimRepository, readIdentity, removeIdentityLeftovers } from '../repository/cluster-identity.ts';
import {
  readCompressed,
  readFully,
  SourceError,
  writeCompressed,
  writeFully,
} from '../repository/compressed-file.ts';
import { makeDurable, placeTemporary, writeAside } from '../repository/place-file.ts';
import { repositoryUnreadable } from '../repository/repository-errors.ts';
import { requireRepository } from '../repository/repository-owner.ts';
import { archivedPath, isCompressed, writingDirectory } from '../repository/wal-archive.ts';
import { openSource, systemAround, walUnreadable, type SourceFile } from './source-file.ts';
import { openRegularFile } from '../system/regular-file.ts';
import { readSmallFile } from '../system/small-file.ts';
import { beside, within } from '../system/held-directory.ts';

/** The file to archive, and the destination. */
export interface PushOptions {
  /** The value of %p in archive_command. */
  path: string;
  /** The cluster's directory in the repository. */
  clusterDirectory: string;
  compressLevel: number;
  /** Whether the caller has called removeLeftBehind() for a number of files. */
  isTidy?: boolean;
}

/** Bytes: the largest --wal-segsize. */
const largestSegment = 1 << 30;

/** A file that is ready to get its final name in the archive. */
export interface PreparedFile {
  path: string;
  archived: string;
  clusterDirectory: string;
  /** The temporary file; undefined where the archive has an identical file already, durably. */
  temporary: string | undefined;
  /** What this release of Holdfast does not know of the file; undefined where it knows the format. */
  unknownFormat: string | undefined;
}

/**
 * Archives a file. Returns the archived file.
 * @throws HoldfastError where the file is not valid WAL, or cannot be archived
 */
export async function pushWal(options: PushOptions): Promise<PreparedFile> {
  const prepared = await prepareWal(options);
  await placePrepared(prepared);
  return prepared;
}

/** Removes the temporary files of pushes that were killed. */
export async function removeLeftBehind(clusterDirectory: string): Promise<void> {
  await removeLeftTemporaries(writingDirectory(clusterDirectory));
  await removeIdentityLeftovers(clusterDirectory);
}

/** Checks and compresses the file, and makes the temporary file durable. @throws HoldfastError as pushWal() */
export async function prepareWal(options: PushOptions): Promise<PreparedFile> {
  const { path, clusterDirectory, isTidy = false } = options;
  const source = await openSource(path);
  try {
    await checkSystem(source, clusterDirectory);
    if (!isTidy) await removeLeftBehind(clusterDirectory);
    const archived = archivedPath(clusterDirectory, source.name);
    const { unknownFormat } = source;
    const prepared = { path, archived, clusterDirectory, unknownFormat };
    if (await confirmed(source, archived)) return { ...prepared, temporary: undefined };
    const write = (target: FileHandle) => writeContent(source, target, options);
    const temporaries = writingDirectory(clusterDirectory);
    const temporary = await writeAside({ path: archived, temporaries, clusterDirectory }, write);
    return { ...prepared, temporary };
  } finally {
    await source.file.close();
  }
}

/**
 * Gives the prepared file its final name; durable when the promise resolves. `onNamed` is called as soon as the archive
 * has this file and no other under the name.
 * @throws HoldfastError where another process has archived a different file meanwhile; `no_repository` where the
 * repository was unmounted meanwhile
 */
export async function placePrepared(
  { path, archived, temporary, clusterDirectory }: PreparedFile,
  onNamed?: () => void,
): Promise<void> {
  const isPlaced = temporary === undefined || (await placeTemporary(temporary, archived, onNamed));
  // Directories below the mount point of an unmounted repository would have taken the file.
  requireRepository(clusterDirectory);
  if (isPlaced) return;
  // Another process has archived the file first. The contents have to be identical.
  const source = await openSource(path);
  try {
    if (!(await confirmed(source, archived))) throw vanished(archived);
  } finally {
    await source.file.close();
  }
}

/** Removes a prepared file that will not be placed. */
export async function discardPrepared({ temporary }: PreparedFile): Promise<void> {
  if (temporary !== undefined) await beside(temporary, rm).catch(() => undefined);
}

/** The directory is made by the first push. */
async function removeLeftTemporaries(directory: string): Promise<void> {
  await within(directory, removeTemporaries).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}

async function writeContent(
  source: SourceFile,
  target: FileHandle,
  { compressLevel }: PushOptions,
): Promise<void> {
  const { file, size, kind } = source;
  if (isCompressed(kind))
    await writeCompressed(file, size, target, compressLevel).catch((error: unknown) => {
      throw error instanceof SourceError ? walUnreadable(source.path, error.cause) : error;
    });
  else await copyPlain(source, target);
}

/**
 * Claims the repository for the system of the file. The header of a segment has the system identifier; for a history
 * file and a segment in an unknown format, pg_control of the data directory has.
 */
async function checkSystem(source: SourceFile, clusterDirectory: string): Promise<void> {
  if (source.header !== undefined) {
    const { systemIdentifier, segmentSize } = source.header;
    return claimRepository(clusterDirectory, { systemIdentifier, walSegmentSize: segmentSize });
  }
  const systemIdentifier = await systemAround(source.path);
  if (source.unknownFormat !== undefined && systemIdentifier !== undefined)
    return claimRepository(clusterDirectory, { systemIdentifier, walSegmentSize: source.size });
  const identity = await readIdentity(clusterDirectory);
  if (identity === undefined) requireRepository(clusterDirectory);
  if (systemIdentifier !== undefined && identity !== undefined)
    await claimRepository(clusterDirectory, { ...identity, systemIdentifier });
}

/** Whether the archive has the file. @throws HoldfastError where the archive has a different file of this name */
async function confirmed(source: SourceFile, archived: string): Promise<boolean> {
  const same = isCompressed(source.kind)
    ? await sameSegment(source, archived)
    : await samePlain(source, archived);
  if (same === undefined) return false;
  if (!same) throw differs(source, archived);
  await makeDurable(archived);
  return true;
}

async function sameSegment(source: SourceFile, archived: string): Promise<boolean | undefined> {
  const file = await openRegularFile(archived).catch(ifThere(archived));
  if (file === undefined) return undefined;
  try {
    let at = 0;
    for await (const content of readCompressed(file, largestSegment)) {
      if (at + content.length > source.size) return false;
      const ours = Buffer.allocUnsafeSlow(content.length);
      await readFully(source.file, ours, at);
      if (!content.equals(ours)) return false;
      at += content.length;
    }
    return at === source.size;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new HoldfastError(
      'failed',
      `"${archived}" is there already and is damaged, so "${source.path}" cannot be archived: ${error.message}`,
      {
        code: 'archive_damaged',
        hint: 'move the damaged file away, and the segment is archived anew',
        cause: error,
      },
    );
  } finally {
    await file.close();
  }
}

async function samePlain(source: SourceFile, archived: string): Promise<boolean | undefined> {
  const found = await readSmallFile(archived).catch(ifThere(archived));
  return found?.equals(await contentOf(source));
}

async function copyPlain(source: SourceFile, target: Parameters<typeof writeFully>[0]): Promise<void> {
  await writeFully(target, await contentOf(source));
}

async function contentOf(source: SourceFile): Promise<Buffer> {
  const content = Buffer.alloc(source.size);
  await readFully(source.file, content, 0);
  return content;
}

/** Returns a handler that turns "no such file" into undefined. */
function ifThere(path: string): (error: NodeJS.ErrnoException) => undefined {
  return (error) => {
    if (error.code === 'ENOENT') return undefined;
    throw repositoryUnreadable(path, error);
  };
}

function differs(source: SourceFile, archived: string): HoldfastError {
  return new HoldfastError(
    'failed',
    `"${source.path}" is different from "${archived}", which is archived already`,
    {
      code: 'archived_differently',
      hint: `give a copy of a server a repository or a cluster name of its own: two servers archive ${basename(source.path)} to the same place`,
    },
  );
}

function vanished(archived: string): HoldfastError {
  return new HoldfastError('failed', `"${archived}" was there, and is gone`, {
    code: 'repository_unwritable',
    hint: 'see which other program removes files from the repository: only Holdfast may',
  });
}
