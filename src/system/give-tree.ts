/** Gives a directory tree written by root to the owner of the repository. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { within } from './held-directory.ts';
import { giveToOwnerOf } from './ownership.ts';

/** Gives `path` and all files below it to the owner of `directory`. Does nothing unless this process runs as root. */
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
