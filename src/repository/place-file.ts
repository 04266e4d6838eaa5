/**
 * Files of the repository that never change once they have their name: written under another one, synced, and
 * linked into place, which fails where something is there already.
 */
import { constants } from 'node:fs';
import { open, rm, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { temporaryName } from '../system/temporary-files.ts';
import { fsyncDirectory } from '../system/durable-files.ts';
import { beside, makeDurableDirectory, noFollow } from '../system/held-directory.ts';
import { linkUnlessThere } from '../system/link-unless-there.ts';
import { giveFileToOwnerOf } from '../system/ownership.ts';
import { repositoryError } from './repository-errors.ts';

const fileMode = 0o600;
/** Milliseconds for which the name of a new directory may not be on the disk yet, since another process made it. */
const directoryIsNew = 600_000;

/**
 * Creates `path` with what `write` writes, durably; false: there is a file of that name, which stays as it is.
 * `temporaries`: a directory on the same file system. @throws HoldfastError `repository_full`, `repository_unwritable`
 */
export async function placeFile(
  path: string,
  temporaries: string,
  write: (file: FileHandle) => Promise<void>,
): Promise<boolean> {
  return placeTemporary(await writeAside(path, temporaries, write), path);
}

/** The first half of it: what `write` writes, durably, under a name of its own, which it returns. */
export async function writeAside(
  path: string,
  temporaries: string,
  write: (file: FileHandle) => Promise<void>,
): Promise<string> {
  const temporary = join(temporaries, temporaryName(basename(path)));
  try {
    await Promise.all([makeDurableDirectory(temporaries), makeDurableDirectory(dirname(path))]);
    await beside(temporary, (file) => writeTemporary(file, write));
    return temporary;
  } catch (error) {
    throw repositoryError(error, path);
  }
}

/** The second half: false where there is a file of that name, which stays as it is. The temporary one is gone then. */
export async function placeTemporary(temporary: string, path: string): Promise<boolean> {
  try {
    return await beside(temporary, async (from) => {
      try {
        const placed = await beside(path, (to) => linkUnlessThere(from, to));
        await syncNames(dirname(path));
        return placed;
      } finally {
        await rm(from, { force: true }).catch(() => undefined);
      }
    });
  } catch (error) {
    throw repositoryError(error, path);
  }
}

/** Makes sure that a file which somebody else placed is as durable as one of ours. */
export async function makeDurable(path: string): Promise<void> {
  try {
    const file = await open(path, constants.O_RDONLY | noFollow);
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    await syncNames(dirname(path));
  } catch (error) {
    throw repositoryError(error, path);
  }
}

async function writeTemporary(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const file = await open(path, 'wx', fileMode);
  try {
    await giveFileToOwnerOf(dirname(path), file);
    await write(file);
    await file.sync();
  } catch (error) {
    await rm(path, { force: true }).catch(() => undefined);
    throw error;
  } finally {
    await file.close();
  }
}

/** The directory's names, and its own, should somebody else have made it just now and not be done yet. */
async function syncNames(directory: string): Promise<void> {
  await fsyncDirectory(directory);
  const { birthtimeMs } = await stat(directory);
  if (Date.now() - birthtimeMs < directoryIsNew) await fsyncDirectory(dirname(directory));
}
