/**
 * Gives a file a name that no other file has. Of two processes that use the same name at the same time, one succeeds.
 */
import { link, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { withLock } from './file-lock.ts';

/**
 * The error codes of link(2) on file systems without hard links (CIFS, some FUSE file systems, exFAT), and for a file
 * with too many links.
 */
const noLinks = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'EMLINK', 'EACCES']);

/** Milliseconds to wait for the lock of the directory. */
const patience = 30_000;

/**
 * Gives the file `from` the name `to`; returns false where `to` exists. Without hard links, the file is renamed under
 * the lock of the directory.
 * @throws HoldfastError `lock_unsupported` where the file system supports neither hard links nor locks
 */
export async function linkUnlessThere(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    if (!noLinks.has(code)) throw error;
  }
  return withLock(dirname(to), { shared: false, wait: patience }, async () => {
    if (await isThere(to)) return false;
    await rename(from, to);
    return true;
  });
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
