/**
 * Files of the repository that never change once they have their name: written under another one, synced, and
 * linked into place, which fails where something is there already.
 */
import { open, readdir, rm, stat, type FileHandle } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { isAlive } from '../identity/process.ts';
import { makeDurableDirectory } from './cluster-identity.ts';
import { syncDirectory } from './durable-files.ts';
import { linkUnlessThere } from './link-unless-there.ts';
import { repositoryError } from './repository-errors.ts';

const fileMode = 0o600;
/** Milliseconds after which a file that nobody writes any more was left behind, wherever its writer ran. */
const abandonedAfter = 3_600_000;
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
  const temporary = join(temporaries, temporaryName(basename(path)));
  try {
    await Promise.all([makeDurableDirectory(temporaries), makeDurableDirectory(dirname(path))]);
    await writeTemporary(temporary, write);
    const placed = await linkUnlessThere(temporary, path);
    await syncNames(dirname(path));
    return placed;
  } catch (error) {
    throw repositoryError(error, path);
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

/** Makes sure that a file which somebody else placed is as durable as one of ours. */
export async function makeDurable(path: string): Promise<void> {
  try {
    const file = await open(path, 'r');
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

/** Removes what writers that were killed have left: at once on this host, after an hour where that cannot be seen. */
export async function removeLeftovers(temporaries: string): Promise<number> {
  const names = await readdir(temporaries).catch(() => []);
  const left: string[] = [];
  for (const name of names) if (await isLeftover(temporaries, name)) left.push(name);
  await Promise.all(left.map((name) => rm(join(temporaries, name), { force: true })));
  return left.length;
}

async function writeTemporary(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const file = await open(path, 'wx', fileMode);
  try {
    await write(file);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** The directory's names, and its own, should somebody else have made it just now and not be done yet. */
async function syncNames(directory: string): Promise<void> {
  await syncDirectory(directory);
  const { birthtimeMs } = await stat(directory);
  if (Date.now() - birthtimeMs < directoryIsNew) await syncDirectory(dirname(directory));
}

function temporaryName(name: string): string {
  return [name, process.pid, hostname(), process.hrtime.bigint().toString(36)].join('~');
}

async function isLeftover(directory: string, name: string): Promise<boolean> {
  const [, pid, host] = name.split('~');
  if (host === hostname() && pid !== undefined && !isAlive(Number(pid))) return true;
  const found = await stat(join(directory, name)).catch(() => undefined);
  return found !== undefined && Date.now() - found.mtimeMs > abandonedAfter;
}
