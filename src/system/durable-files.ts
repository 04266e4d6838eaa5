/** Files that are still there after a power cut. */
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { giveFileToOwnerOf } from './ownership.ts';

/** Creates a file that must not exist; root's belongs to the owner of the directory. */
export async function writeSynced(path: string, bytes: Buffer, mode: number): Promise<void> {
  const file = await open(path, 'wx', mode);
  try {
    await giveFileToOwnerOf(dirname(path), file);
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** What a file system answers that has no sync of directories, and writes their names by itself. */
const noDirectorySync = new Set(['EINVAL', 'EBADF', 'ENOTSUP', 'EOPNOTSUPP']);

/** Makes what was created in or renamed into a directory last, as far as the file system can (as PostgreSQL does). */
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
