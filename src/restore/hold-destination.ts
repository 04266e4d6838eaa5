/**
 * Locks other users out of the directories that root restores into. The owner of such a directory, or of a
 * directory above, could otherwise replace the next file by a symbolic link, or move the directory. So root
 * owns the directories during the restore, and reaches the directories by open file descriptors instead of
 * paths.
 */
import { existsSync } from 'node:fs';
import { readdir, rm, rmdir } from 'node:fs/promises';
import { HoldfastError } from '../errors.ts';
import { toBytePath, bytePathBelow } from '../system/byte-path.ts';
import { isOfFileSystem, type Destination } from './destination.ts';
import { takeAsRoot, takeByName, type TakenDirectory } from './take-directory.ts';

/** The directories of a restore, taken by takeAsRoot() or takeByName(). */
export interface HeldDestination {
  /** The path under which the data directory is written. */
  directory: string;
  /** The paths under which the tablespaces of the destination are written, by OID; one character per byte. */
  locations: ReadonlyMap<string, string>;
  /** The path under which pg_wal is written; undefined if pg_wal is in the data directory. */
  wal: string | undefined;
  release: () => Promise<void>;
  /**
   * Removes `files` from the WAL directory after a failed restore, and resets owner and mode of the
   * directory.
   */
  giveWalBack: (files: readonly string[]) => Promise<void>;
}

/**
 * Takes the directories of a restore; creates the missing ones. Changes nothing in case of an error.
 * @throws HoldfastError `link_in_the_way`, `directory_not_empty`, `directory_unwritable`
 */
export async function holdDestination(destination: Destination): Promise<HeldDestination> {
  const { directory, tablespaces, walDirectory } = destination;
  // A system without /proc has no paths for open file descriptors: files are then written by path.
  const isRoot = process.getuid?.() === 0 && existsSync(`/proc/${process.pid}/fd`);
  const taken: TakenDirectory[] = [];
  const release = async () => {
    for (const one of taken) await one.release();
  };
  const hold = async (path: string, isAllowed: (name: string) => boolean) => {
    const one = await (isRoot ? takeAsRoot(path) : takeByName(path));
    taken.push(one);
    const stray = (await readdir(bytePathBelow(one.written, ''))).find((name) => !isAllowed(name));
    if (stray !== undefined) throw notEmpty(path, stray);
    return one;
  };
  try {
    const data = await hold(toBytePath(directory), () => false);
    const locations = new Map<string, string>();
    for (const { oid, location } of tablespaces)
      locations.set(oid, (await hold(location, isOfFileSystem)).written);
    const wal = walDirectory === undefined ? undefined : await hold(toBytePath(walDirectory), () => false);
    const byText = (one: TakenDirectory) => bytePathBelow(one.written, '').toString();
    return {
      directory: byText(data),
      locations,
      wal: wal === undefined ? undefined : byText(wal),
      release,
      giveWalBack: async (files) => {
        if (wal !== undefined) await emptied(wal, files);
      },
    };
  } catch (error) {
    for (const one of taken.toReversed()) await one.giveBack().catch(() => undefined);
    await release();
    throw error;
  }
}

/** Removes the files of a restore from the WAL directory: empty directories, and segments. */
async function emptied(wal: TakenDirectory, files: readonly string[]): Promise<void> {
  const directory = bytePathBelow(wal.written, '');
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = bytePathBelow(wal.written, toBytePath(entry.name));
    if (entry.isDirectory()) await rmdir(path);
    else if (files.includes(entry.name)) await rm(path);
  }
  await wal.giveBack();
}

function notEmpty(path: string, name: string): HoldfastError {
  return new HoldfastError(
    'failed',
    `"${bytePathBelow(path, '').toString()}" is no longer empty: somebody has just put "${name}" there`,
    { code: 'directory_not_empty', hint: 'restore into a directory that nobody else uses' },
  );
}
