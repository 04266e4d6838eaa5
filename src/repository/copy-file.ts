/** Where a file system has no hard links, or no more of them: a copy takes the place of one. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { noFollow } from './held-directory.ts';

/** Durable when it resolves. @throws an error of the file system: EEXIST where there is such a file */
export async function copySynced(from: string, to: string): Promise<void> {
  const source = await open(from, constants.O_RDONLY | noFollow);
  try {
    const target = await open(to, 'wx', 0o600);
    try {
      const [input, output] = [
        source.createReadStream({ autoClose: false }),
        target.createWriteStream({ autoClose: false }),
      ];
      await pipeline(input, output);
      await target.sync();
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}
