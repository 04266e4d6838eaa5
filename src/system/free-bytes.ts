import { statfs } from 'node:fs/promises';

/** Returns the free bytes of the file system of a directory; undefined: the file system does not report its size. */
export async function freeBytes(directory: string): Promise<number | undefined> {
  const { bavail, blocks, bsize } = await statfs(directory);
  return blocks === 0 ? undefined : bavail * bsize;
}
