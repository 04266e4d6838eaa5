/**
 * Keeps everybody else out of the directories that root restores into. Whoever owns them, or one above them, could
 * otherwise put a symbolic link where the next file is about to be written, or the directory itself somewhere else. So
 * they are root's while the restore is under way, and are reached by what is open here instead of by their paths.
 */
import { existsSync } from 'node:fs';
import { readdir, rm, rmdir } from 'node:fs/promises';
import { HoldfastError } from '../errors.ts';
import { toBytePath, bytePathBelow } from '../system/byte-path.ts';
import { isOfFileSystem, type Destination } from './destination.ts';
import { takeAsRoot, takeByName, type TakenDirectory } from './take-directory.ts';

export interface HeldDestination {
  /** By which path the data directory is written. */
  directory: string;
  /** And the tablespaces of the destination, by OID; one character a byte. */
  locations: ReadonlyMap<string, string>;
  /** And where pg_wal goes, if not into the data directory. */
  wal: string | undefined;
  release: () => Promise<void>;
  /** Makes the directory for WAL as it was found: the restore has failed, and put these files there. */
  giveWalBack: (files: readonly string[]) => Promise<void>;
}

/**
 * Makes the directories that are not there.
 * @throws HoldfastError `link_in_the_way`, `directory_not_empty`, `directory_unwritable`, and then nothing is changed
 */
export async function holdDestination(destination: Destination): Promise<HeldDestination> {
  const { directory, tablespaces, walDirectory } = destination;
  // Where the system has no such paths, what is written goes by name.
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

/** Of what a restore puts there: directories with nothing in them, and segments. */
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
