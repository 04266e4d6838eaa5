/**
 * Writes files of the repository that never change once they have their final name. A file is written under a
 * temporary name, synced, and linked to the final name. The link fails where a file of that name exists.
 */
import { rm, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { temporaryName } from '../system/temporary-files.ts';
import { createSynced, fsyncDirectory } from '../system/durable-files.ts';
import { beside, noFollow } from '../system/held-directory.ts';
import { makeBelow } from '../system/make-below.ts';
import { linkUnlessThere } from '../system/link-unless-there.ts';
import { repositoryError } from './repository-errors.ts';
import { openRegularFile } from '../system/regular-file.ts';

const fileMode = 0o600;
/**
 * Milliseconds. The name of a directory younger than this may not be durable yet, because another process created the
 * directory.
 */
const directoryIsNew = 600_000;

/** Where a file goes. */
export interface FilePlace {
  path: string;
  /** The directory for the temporary file, on the same file system. */
  temporaries: string;
  /** The cluster's directory, below which both are. It is never created. */
  clusterDirectory: string;
}

/**
 * Creates a durable file with the content that `write` writes under a temporary name, and returns the temporary path.
 * @throws HoldfastError `repository_full`, `repository_unwritable`
 */
export async function writeAside(
  { path, temporaries, clusterDirectory }: FilePlace,
  write: (file: FileHandle) => Promise<void>,
): Promise<string> {
  const temporary = join(temporaries, temporaryName(basename(path)));
  try {
    for (const directory of [temporaries, dirname(path)]) await makeBelow(clusterDirectory, directory);
    await beside(temporary, (file) => createSynced(file, fileMode, write));
    return temporary;
  } catch (error) {
    throw repositoryError(error, path);
  }
}

/**
 * Gives a file of writeAside() its name, durably. Returns false where `path` exists; that file stays unchanged. The
 * temporary file is removed in both cases. `onNamed` is called when the file has its name, which is not durable yet.
 */
export async function placeTemporary(
  temporary: string,
  path: string,
  onNamed?: () => void,
): Promise<boolean> {
  try {
    return await beside(temporary, async (from) => {
      try {
        const placed = await beside(path, (to) => linkUnlessThere(from, to));
        if (placed) onNamed?.();
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

/** Makes a file durable that another process placed. */
export async function makeDurable(path: string): Promise<void> {
  try {
    const file = await openRegularFile(path, noFollow);
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

/** The new directories, by device, inode and birth, whose names this process has made durable. */
const durable = new Set<string>();

/**
 * Syncs the directory, and its parent where the directory is new: another process may have created the directory and
 * not synced the parent yet.
 */
async function syncNames(directory: string): Promise<void> {
  const { dev, ino, birthtimeMs } = await stat(directory);
  const isNew = Date.now() - birthtimeMs < directoryIsNew;
  const identity = [dev, ino, birthtimeMs].join(' ');
  const parents = isNew && !durable.has(identity) ? [dirname(directory)] : [];
  await Promise.all([directory, ...parents].map(syncTogether));
  if (isNew) durable.add(identity);
}

interface Syncing {
  now: Promise<void>;
  /** Begins when `now` has ended. */
  next?: Promise<void>;
}

const underWay = new Map<string, Syncing>();

/**
 * Syncs a directory. Calls during a sync share the next one: the sync under way may have begun before their changes.
 */
function syncTogether(directory: string): Promise<void> {
  const syncing = underWay.get(directory);
  if (syncing === undefined) return beginSync(directory);
  syncing.next ??= syncing.now.then(
    () => beginSync(directory),
    () => beginSync(directory),
  );
  return syncing.next;
}

function beginSync(directory: string): Promise<void> {
  const now = fsyncDirectory(directory);
  const syncing: Syncing = { now };
  underWay.set(directory, syncing);
  const end = () => {
    if (syncing.next === undefined) underWay.delete(directory);
  };
  now.then(end, end);
  return now;
}
