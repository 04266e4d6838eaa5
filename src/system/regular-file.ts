/**
 * Opens files for reading in directories that another user can write to. A named pipe in the place of a file would
 * block the caller until somebody writes to the pipe, so only regular files are opened.
 */
import { closeSync, constants, fstatSync, openSync, type Stats } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

const { O_RDONLY, O_NONBLOCK } = constants;

/**
 * Opens a regular file for reading. `flags`: further flags for open(2).
 * @throws Error with code `EINVAL` where the file is not a regular file; an error of open(2)
 */
export async function openRegularFile(path: string, flags = 0): Promise<FileHandle> {
  const file = await open(path, O_RDONLY | O_NONBLOCK | flags);
  try {
    requireRegular(path, await file.stat());
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The same as openRegularFile(), for the synchronous functions of node:fs. Returns the file descriptor. */
export function openRegularFileSync(path: string): number {
  const fd = openSync(path, O_RDONLY | O_NONBLOCK);
  try {
    requireRegular(path, fstatSync(fd));
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** An error with the code of a system call, for a file that is not opened or not read. */
export function fileRefusal(path: string, code: string, reason: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`"${path}" ${reason}`), { code, path });
}

/** @throws Error with code `EINVAL` where what was found at `path` is not a regular file */
export function requireRegular(path: string, found: Stats): void {
  if (!found.isFile()) throw fileRefusal(path, 'EINVAL', 'is not a regular file');
}
