/** What root has written into a directory of somebody else's, given to that one as a whole. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { within } from './held-directory.ts';
import { giveToOwnerOf } from './ownership.ts';

/** Gives a directory and all that is in it to whom that other directory belongs. */
export async function giveAllToOwnerOf(directory: string, path: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  await within(path, async (at) => {
    for (const entry of await readdir(at, { withFileTypes: true })) {
      if (entry.isDirectory()) await giveAllToOwnerOf(directory, join(at, entry.name));
      else if (entry.isFile()) await giveToOwnerOf(directory, join(at, entry.name));
    }
    await giveToOwnerOf(directory, `${at}/.`);
  });
}
