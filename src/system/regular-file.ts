/**
 * Opens files for reading in directories that another user can write to. A named pipe in the place of a file would
 * block the caller until somebody writes to the pipe, so only regular files are opened.
 */
import { closeSync, constants, existsSync, fstatSync, openSync, type Stats } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { orClose } from './or-close.ts';

const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW, O_DIRECTORY } = constants;

/**
 * Opens a regular file for reading. `flags`: further flags for open(2).
 * @throws Error with code `EINVAL` where the file is not a regular file, `ELOOP` where root is led to it by a symbolic
 * link that another user may have created; an error of open(2)
 */
export async function openRegularFile(path: string, flags = 0): Promise<FileHandle> {
  const isRoot = process.getuid?.() === 0;
  const all = O_RDONLY | O_NONBLOCK | flags;
  const file = await open(path, isRoot ? all | O_NOFOLLOW : all).catch((error: NodeJS.ErrnoException) => {
    if (!isRoot || error.code !== 'ELOOP' || (flags & O_NOFOLLOW) !== 0) throw error;
    return openLink(path, all);
  });
  return orClose(file, async () => {
    requireRegular(path, await file.stat());
    return file;
  });
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

/**
 * Follows a symbolic link as root: to a file of the user that owns the directory of the link, or to any file where only
 * root can write to that directory. Another user could otherwise have root read a file of root, and tell what is in it.
 */
async function openLink(path: string, flags: number): Promise<FileHandle> {
  const directory = await open(dirname(path), O_RDONLY | O_DIRECTORY);
  try {
    const held = `/proc/self/fd/${directory.fd}`;
    const file = await open(existsSync(held) ? join(held, basename(path)) : path, flags);
    return await orClose(file, async () => {
      const [{ uid, mode }, found] = [await directory.stat(), await file.stat()];
      if (uid === 0 ? (mode & othersMayWrite) === 0 : found.uid === uid) return file;
      // As of open(2): what was there before the link may be sound.
      const syscall = 'open';
      throw Object.assign(fileRefusal(path, 'ELOOP', leadsRoot), { syscall });
    });
  } finally {
    await directory.close();
  }
}

const othersMayWrite = 0o022;
const leadsRoot = 'is a symbolic link of another user, who leads root to what is not theirs';

/** An error with the code of a system call, for a file that is not opened or not read. */
export function fileRefusal(path: string, code: string, reason: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`"${path}" ${reason}`), { code, path });
}

/** @throws Error with code `EINVAL` where what was found at `path` is not a regular file */
export function requireRegular(path: string, found: Stats): void {
  if (!found.isFile()) throw fileRefusal(path, 'EINVAL', 'is not a regular file');
}
