/** Where a file system has no hard links, or no more of them: a copy takes the place of one. */
import { constants } from 'node:fs';
import { link, open } from 'node:fs/promises';
import { noFollow } from './held-directory.ts';

const chunkBytes = 1 << 20;

/** A link to it where that can be had. @throws an error of the file system: EEXIST where there is such a file */
export async function linkOrCopy(from: string, to: string): Promise<void> {
  await link(from, to).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'EEXIST') throw error;
    return copySynced(from, to);
  });
}

/** Durable when it resolves. */
async function copySynced(from: string, to: string): Promise<void> {
  const source = await open(from, constants.O_RDONLY | noFollow);
  try {
    const target = await open(to, 'wx', 0o600);
    try {
      // Streams that leave their files open never say that they are done.
      const buffer = Buffer.allocUnsafe(chunkBytes);
      for (;;) {
        const { bytesRead } = await source.read(buffer, 0, chunkBytes, null);
        if (bytesRead === 0) break;
        await target.writeFile(buffer.subarray(0, bytesRead));
      }
      await target.sync();
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}
