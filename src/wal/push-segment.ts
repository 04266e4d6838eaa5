/**
 * Archives one file of WAL. When it resolves, the repository has that very content on disk, under its name. An
 * identical file that is there already is fine; a different one is never overwritten.
 */
import { open, readFile, rm, type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { removeTemporaries } from '../system/temporary-files.ts';
import { claimRepository, readIdentity, removeIdentityLeftovers } from '../repository/cluster-identity.ts';
import { readCompressed, readFully, writeCompressed, writeFully } from '../repository/compressed-file.ts';
import { writeCompressedHere } from '../repository/compressed-here.ts';
import { makeDurable, placeTemporary, writeAside } from '../repository/place-file.ts';
import { repositoryUnreadable } from '../repository/repository-errors.ts';
import { requireRepository } from '../repository/repository-owner.ts';
import { archivedPath, isCompressed, writingDirectory } from '../repository/wal-archive.ts';
import { openSource, systemAround, type SourceFile } from './source-file.ts';

export interface PushOptions {
  /** The file, as archive_command's %p names it. */
  path: string;
  /** The cluster's directory in the repository. */
  clusterDirectory: string;
  compressLevel: number;
  /** Whether it may keep its thread busy, which is quicker; otherwise others compress for it. */
  hasThread?: boolean;
}

/** Bytes: the largest --wal-segsize. */
const largestSegment = 1 << 30;

/** What is ready to get its name in the archive. */
export interface PreparedFile {
  path: string;
  archived: string;
  /** undefined: an identical one is there already, durably. */
  temporary: string | undefined;
}

/** @throws HoldfastError where the file is not what it should be, or cannot be archived */
export async function pushWal(options: PushOptions): Promise<void> {
  await placePrepared(await prepareWal(options));
}

/** All but the name: the file is checked, compressed and on the disk. @throws HoldfastError as pushWal() */
export async function prepareWal(options: PushOptions): Promise<PreparedFile> {
  const { path, clusterDirectory } = options;
  const source = await openSource(path);
  try {
    await checkSystem(source, clusterDirectory);
    await removeTemporaries(writingDirectory(clusterDirectory));
    await removeIdentityLeftovers(clusterDirectory);
    const archived = archivedPath(clusterDirectory, source.name);
    if (await confirmed(source, archived)) return { path, archived, temporary: undefined };
    const write = (target: FileHandle) => writeContent(source, target, options);
    return {
      path,
      archived,
      temporary: await writeAside(archived, writingDirectory(clusterDirectory), write),
    };
  } finally {
    await source.file.close();
  }
}

/** @throws HoldfastError where somebody else has archived a different one meanwhile */
export async function placePrepared({ path, archived, temporary }: PreparedFile): Promise<void> {
  if (temporary === undefined || (await placeTemporary(temporary, archived))) return;
  // Somebody else was quicker: what counts is the same.
  const source = await openSource(path);
  try {
    if (!(await confirmed(source, archived))) throw vanished(archived);
  } finally {
    await source.file.close();
  }
}

/** Instead of placing it. */
export async function discardPrepared({ temporary }: PreparedFile): Promise<void> {
  if (temporary !== undefined) await rm(temporary, { force: true }).catch(() => undefined);
}

async function writeContent(
  source: SourceFile,
  target: FileHandle,
  { compressLevel, hasThread = false }: PushOptions,
): Promise<void> {
  const { file, size, kind } = source;
  if (!isCompressed(kind)) await copyPlain(source, target);
  else if (hasThread) writeCompressedHere(file.fd, size, target.fd, compressLevel);
  else await writeCompressed(file, size, target, compressLevel);
}

/** A segment says whose it is; a history file does not, but lies in a data directory that does. */
async function checkSystem(source: SourceFile, clusterDirectory: string): Promise<void> {
  if (source.header !== undefined) {
    const { systemIdentifier, segmentSize } = source.header;
    return claimRepository(clusterDirectory, { systemIdentifier, walSegmentSize: segmentSize });
  }
  const systemIdentifier = await systemAround(source.path);
  const identity = await readIdentity(clusterDirectory);
  if (identity === undefined) requireRepository(clusterDirectory);
  if (systemIdentifier !== undefined && identity !== undefined)
    await claimRepository(clusterDirectory, { ...identity, systemIdentifier });
}

/** false: there is no such file yet. @throws HoldfastError where there is a different one */
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
  const file = await open(archived, 'r').catch(ifThere(archived));
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
  const found = await readFile(archived).catch(ifThere(archived));
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

/** undefined: there is no such file. */
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
    hint: 'see what else removes files from the repository: only Holdfast may',
  });
}
