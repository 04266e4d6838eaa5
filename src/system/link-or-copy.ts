/** Creates a hard link, or a copy where the file system supports no hard links or no more of them. */
import { dirname } from 'node:path';
import { link, open, stat, type FileHandle } from 'node:fs/promises';
import { HoldfastError } from '../errors.ts';
import { noFollow } from './held-directory.ts';
import { giveFileToOwnerOf } from './ownership.ts';
import { openRegularFile } from './regular-file.ts';

const chunkBytes = 1 << 20;

/**
 * Links `from` to `to`, or copies the file durably. `mayTake` is called before a copy, with the bytes that the copy takes.
 * @throws an error of the file system, for example EEXIST where `to` exists; the error of `mayTake`
 */
export async function linkOrCopy(
  from: string,
  to: string,
  mayTake: (bytes: number) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  await link(from, to).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'EEXIST') throw error;
    return copySynced(from, to, mayTake);
  });
}

/**
 * Copies a file; durable when the promise resolves. The copy has the modification time of the source in whole
 * milliseconds, unless the file system refuses to set times.
 */
async function copySynced(
  from: string,
  to: string,
  mayTake: (bytes: number) => Promise<void>,
): Promise<void> {
  const source = await openRegularFile(from, noFollow);
  try {
    await refusePrivate(source, from, dirname(to));
    await mayTake((await source.stat()).size);
    const target = await open(to, 'wx', 0o600);
    try {
      await giveFileToOwnerOf(dirname(to), target);
      // Not with streams: a stream that leaves its file open does not report its end.
      const buffer = Buffer.allocUnsafe(chunkBytes);
      for (;;) {
        const { bytesRead } = await source.read(buffer, 0, chunkBytes, null);
        if (bytesRead === 0) break;
        await target.writeFile(buffer.subarray(0, bytesRead));
      }
      await keepTime(source, target);
      await target.sync();
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/**
 * As root, the copy is given to the owner of `directory`. The owner may have moved a file there that only another user
 * may read.
 */
async function refusePrivate(source: FileHandle, path: string, directory: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const [{ uid, mode }, owner] = await Promise.all([source.stat(), stat(directory)]);
  if (owner.uid === 0 || uid === owner.uid || (mode & 0o004) !== 0) return;
  throw new HoldfastError('failed', `as root, "${path}" is not copied: it is another user's (${uid})`, {
    code: 'link_in_the_way',
    hint: `look at that file; if it belongs there, give it to the owner of the repository (chown ${owner.uid})`,
  });
}

/** In whole milliseconds: a file system with a coarse clock could make less than a half of half a millisecond. */
async function keepTime(source: FileHandle, target: FileHandle): Promise<void> {
  const { atimeMs, mtimeMs } = await source.stat();
  await target.utimes(atimeMs / 1000, Math.round(mtimeMs) / 1000).catch((error: NodeJS.ErrnoException) => {
    if (!['EPERM', 'ENOSYS', 'ENOTSUP'].includes(error.code ?? '')) throw error;
  });
}
