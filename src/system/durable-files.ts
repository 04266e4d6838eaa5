/** Writes files and directories so that they survive a power failure. */
import { open, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { giveFileToOwnerOf } from './ownership.ts';

/** Creates a file with these bytes, like createSynced(). */
export function writeSynced(path: string, bytes: Buffer, mode: number): Promise<void> {
  return createSynced(path, mode, (file) => file.writeFile(bytes));
}

/**
 * Creates a file that `write` fills, durable when the promise resolves; removes what could not be written, such as on a
 * full disk. The file must not exist. A file created by root is given to the owner of the directory.
 */
export async function createSynced(
  path: string,
  mode: number,
  write: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const file = await open(path, 'wx', mode);
  try {
    await giveFileToOwnerOf(dirname(path), file);
    await write(file);
    await file.sync();
  } catch (error) {
    await rm(path, { force: true }).catch(() => undefined);
    throw error;
  } finally {
    await file.close();
  }
}

/**
 * The error codes of file systems that do not support fsync of directories, and write directory entries themselves.
 */
const noDirectorySync = new Set(['EINVAL', 'EBADF', 'ENOTSUP', 'EOPNOTSUPP']);

/**
 * Makes directory entries durable, as far as the file system supports fsync of directories (PostgreSQL does the
 * same).
 */
export async function fsyncDirectory(path: string | Buffer): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync().catch((error: NodeJS.ErrnoException) => {
      if (!noDirectorySync.has(error.code ?? '')) throw error;
    });
  } finally {
    await directory.close();
  }
}
