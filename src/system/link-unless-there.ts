/** A name that is given once: of two who want it at the same time, one gets it. */
import { link, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { withLock } from './file-lock.ts';

/** What file systems without hard links answer (CIFS, some of FUSE, exFAT), and where a file has too many. */
const noLinks = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'EMLINK', 'EACCES']);

/** Milliseconds for which others may be at the same place in that directory. */
const patience = 30_000;

/**
 * Gives a file another name; false: something has it. Where there are no hard links, the file is renamed, under the
 * lock of the directory. @throws HoldfastError `lock_unsupported` where there are no locks either
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
