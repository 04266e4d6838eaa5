/** Creates directories below one that has to be there, such as those of a repository. */
import { join, relative } from 'node:path';
import { fsyncDirectory } from './durable-files.ts';
import { makeNewDirectory, within } from './held-directory.ts';

/**
 * Creates the directory `path` and those between `directory` and it; durable when the promise resolves. `directory` and
 * what is above it are never created: where a file system is unmounted meanwhile, its mount point would take its place.
 * @throws an error of the file system, ENOENT where `directory` does not exist
 */
export function makeBelow(directory: string, path: string): Promise<void> {
  return within(directory, async (at) => {
    let made = at;
    for (const part of relative(directory, path).split('/')) {
      const parent = made;
      made = join(parent, part);
      if (await isMade(made)) await fsyncDirectory(parent);
    }
  });
}

async function isMade(path: string): Promise<boolean> {
  try {
    await makeNewDirectory(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
