/**
 * Keeps everybody else out of the directories that root restores into. Whoever owns them, or one above them, could
 * otherwise put a symbolic link where the next file is about to be written, or the directory itself somewhere else. So
 * they are root's while the restore is under way, and are reached by what is open here instead of by their paths.
 */
import { constants, existsSync } from 'node:fs';
import { lstat, open, readdir, readlink, type FileHandle } from 'node:fs/promises';
import { HoldfastError } from '../errors.ts';
import { asBytes, bytePath } from './extraction/byte-path.ts';
import { isOfFileSystem, noteName, type Destination } from './destination.ts';

export interface HeldDestination {
  /** By which path the data directory is written. */
  directory: string;
  /** And the tablespaces of the destination, by OID; one character a byte. */
  locations: ReadonlyMap<string, string>;
  release: () => Promise<void>;
}

/** @throws HoldfastError `link_in_the_way`, `directory_not_empty` */
export async function holdDestination(destination: Destination): Promise<HeldDestination> {
  const { directory, tablespaces } = destination;
  // Where the system has no such paths, what is written goes by name.
  if (process.getuid?.() !== 0 || !existsSync(`/proc/${process.pid}/fd`)) {
    const locations = new Map(tablespaces.map(({ oid, location }) => [oid, location]));
    return { directory, locations, release: () => Promise.resolve() };
  }
  const files: FileHandle[] = [];
  const release = async () => {
    for (const file of files) await file.close();
  };
  const hold = async (path: string, isAllowed: (name: string) => boolean) => {
    const file = await openAlong(path);
    files.push(file);
    await file.chown(0, 0);
    await file.chmod(0o700);
    const stray = (await readdir(pathOf(file))).find((name) => !isAllowed(name));
    if (stray !== undefined) throw notEmpty(path, stray);
    return pathOf(file);
  };
  try {
    const locations = new Map<string, string>();
    const held = await hold(asBytes(directory), (name) => name === noteName);
    for (const { oid, location } of tablespaces) locations.set(oid, await hold(location, isOfFileSystem));
    return { directory: held, locations, release };
  } catch (error) {
    await release();
    throw error;
  }
}

/** Good for the processes that we start, too. */
function pathOf(file: FileHandle): string {
  return `/proc/${process.pid}/fd/${file.fd}`;
}

const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
/** As many links in a path as the kernel follows. */
const mostLinks = 40;

/** Step by step from the root: only root's own links are followed. `path`: absolute, one character a byte. */
async function openAlong(path: string): Promise<FileHandle> {
  let parts = partsOf(path);
  let at = await open('/', flags);
  for (let links = 0; ;) {
    const part = parts.shift();
    if (part === undefined) return at;
    const next = bytePath(pathOf(at), part);
    try {
      const link = await linkOf(next, path);
      if (link === undefined) {
        const opened = await open(next, flags);
        await at.close();
        at = opened;
        continue;
      }
      links += 1;
      if (links > mostLinks) throw inTheWay(path, next, 'leads in a circle');
      parts = [...partsOf(link), ...parts];
      if (!link.startsWith('/')) continue;
      await at.close();
      at = await open('/', flags);
    } catch (error) {
      await at.close().catch(() => undefined);
      throw error;
    }
  }
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

/** Where a symbolic link leads; undefined: it is none. @throws HoldfastError `link_in_the_way` */
async function linkOf(path: Buffer, whole: string): Promise<string | undefined> {
  const stats = await lstat(path);
  if (!stats.isSymbolicLink()) return undefined;
  if (stats.uid !== 0) throw inTheWay(whole, path, `belongs to user ${stats.uid}, who can lead it elsewhere`);
  return readlink(path, 'latin1');
}

function inTheWay(path: string, link: Buffer, why: string): HoldfastError {
  const [whole, name] = [bytePath(path, '').toString(), link.toString().replace(/^.*\//s, '')];
  return new HoldfastError(
    'failed',
    `"${whole}" cannot be restored to as root: the symbolic link "${name}" in it ${why}`,
    {
      code: 'link_in_the_way',
      hint: `give the path without the link, as "realpath ${whole}" has it, or restore as the user that PostgreSQL runs as`,
    },
  );
}

function notEmpty(path: string, name: string): HoldfastError {
  return new HoldfastError(
    'failed',
    `"${bytePath(path, '').toString()}" is no longer empty: somebody has just put "${name}" there`,
    { code: 'directory_not_empty', hint: 'restore into a directory that nobody else uses' },
  );
}
