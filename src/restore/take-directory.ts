/**
 * Opens or creates the directories that a restore writes to. Root opens every directory on the path step by
 * step, and uses open file descriptors instead of paths. The owner of a directory above could otherwise
 * insert a symbolic link.
 */
import { chmod, lstat, mkdir, open, readdir, readlink, rmdir, stat, type FileHandle } from 'node:fs/promises';
import { constants } from 'node:fs';
import { dirname } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { bytePathBelow } from '../system/byte-path.ts';
import { beside } from '../system/held-directory.ts';
import { orClose } from '../system/or-close.ts';

/** A directory that a restore writes to. */
export interface TakenDirectory {
  /** The path under which the directory is written; one character per byte. */
  written: string;
  release: () => Promise<void>;
  /**
   * Resets the directory to its former owner and mode, or removes an empty directory that the restore has
   * created. Has to be called before release().
   */
  giveBack: () => Promise<void>;
}

export const unwritableHint =
  'run this as a user who may write there, or name a directory below one that belongs to the user who runs it';

/**
 * Takes a directory by its path. `path` is absolute, with one character per byte. Changes nothing in case of
 * an error.
 * @throws HoldfastError `directory_unwritable`
 */
export async function takeByName(path: string): Promise<TakenDirectory> {
  const made: Buffer[] = [];
  try {
    await makeByName(path, 0o700, made);
    const { mode } = await stat(bytePathBelow(path, ''));
    return {
      written: path,
      release: () => Promise.resolve(),
      async giveBack() {
        if (made.length === 0) await chmod(bytePathBelow(path, ''), mode & 0o7777);
        await removeMade(made);
      },
    };
  } catch (error) {
    await removeMade(made);
    throw notMade(path, error);
  }
}

/**
 * Takes a directory as root. Other users have no access until the directory is handed over.
 * @throws HoldfastError `link_in_the_way`, `directory_unwritable`
 */
export async function takeAsRoot(path: string): Promise<TakenDirectory> {
  const made: Buffer[] = [];
  const file = await openAlong(path, made).catch(async (error: unknown) => {
    await removeMade(made);
    throw error instanceof HoldfastError ? error : notMade(path, error);
  });
  const { uid, gid, mode } = await file.stat();
  const taken = {
    written: pathOf(file),
    release: () => file.close(),
    async giveBack() {
      await file.chmod(mode & 0o7777);
      await file.chown(uid, gid);
      await removeMade(made);
    },
  };
  try {
    await file.chown(0, 0);
    await file.chmod(0o700);
    return taken;
  } catch (error) {
    await taken.giveBack().catch(() => undefined);
    await file.close();
    throw notMade(path, error);
  }
}

/**
 * Creates a directory and its missing parents. Parents are open to other users, as far as the umask allows;
 * the directory itself is for the server's user only.
 */
async function makeByName(path: string, mode: number, made: Buffer[]): Promise<void> {
  const makeThis = async () => {
    await mkdir(bytePathBelow(path, ''), { mode });
    made.push(bytePathBelow(path, ''));
  };
  await makeThis().catch(async (error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') return;
    if (error.code !== 'ENOENT') throw error;
    await makeByName(dirname(path), 0o777, made);
    await makeThis();
  });
}

async function removeMade(made: readonly Buffer[]): Promise<void> {
  const isRoot = process.getuid?.() === 0;
  for (const path of made.toReversed())
    await (isRoot ? beside(path.toString(), rmdir) : rmdir(path)).catch(() => undefined);
}

function notMade(path: string, error: unknown): HoldfastError {
  const name = bytePathBelow(path, '').toString();
  return new HoldfastError('failed', `the directory "${name}" cannot be made: ${messageOf(error)}`, {
    code: 'directory_unwritable',
    hint: unwritableHint,
    cause: error,
  });
}

/** A path of the open file that child processes can use, too. */
function pathOf(file: FileHandle): string {
  return `/proc/${process.pid}/fd/${file.fd}`;
}

const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
/** The maximum number of symbolic links that Linux follows in one path. */
const mostLinks = 40;

/**
 * Opens a path step by step from the root directory, and creates missing directories. Symbolic links are
 * followed only if root owns the links.
 */
async function openAlong(path: string, made: Buffer[]): Promise<FileHandle> {
  let parts = partsOf(path);
  let at = await open('/', flags);
  for (let links = 0; ;) {
    const part = parts.shift();
    if (part === undefined) return at;
    const next = bytePathBelow(pathOf(at), part);
    try {
      const found = await lookAt(next, path);
      if (found.link === undefined) {
        const opened = found.isThere
          ? await open(next, flags)
          : await make(next, { parent: at, isLast: parts.length === 0, made });
        await at.close();
        at = opened;
        continue;
      }
      links += 1;
      if (links > mostLinks) throw inTheWay(path, next, 'leads in a circle');
      parts = [...partsOf(found.link), ...parts];
      if (!found.link.startsWith('/')) continue;
      await at.close();
      at = await open('/', flags);
    } catch (error) {
      await at.close().catch(() => undefined);
      throw error;
    }
  }
}

/**
 * Creates one directory. A parent directory gets the owner of the directory above, and lets the server's user
 * pass through with any umask of root.
 */
async function make(
  path: Buffer,
  { parent, isLast, made }: { parent: FileHandle; isLast: boolean; made: Buffer[] },
): Promise<FileHandle> {
  await mkdir(path, { mode: isLast ? 0o700 : 0o777 });
  const file = await open(path, flags);
  return orClose(file, async () => {
    made.push(await readlink(pathOf(file), { encoding: 'buffer' }));
    const { uid, mode } = await file.stat();
    // Another user may have replaced the new directory; a replaced directory keeps its owner.
    const isOurs = uid === 0 && (await readdir(pathOf(file))).length === 0;
    if (isLast || !isOurs) return file;
    const above = await parent.stat();
    await file.chmod((mode & 0o7777) | 0o111);
    await file.chown(above.uid, above.gid);
    return file;
  });
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

/**
 * Examines one name on the path. `link` is the target of a symbolic link.
 * @throws HoldfastError `link_in_the_way`
 */
async function lookAt(path: Buffer, whole: string): Promise<{ isThere: boolean; link?: string }> {
  const stats = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (stats === undefined || !stats.isSymbolicLink()) return { isThere: stats !== undefined };
  if (stats.uid !== 0) throw inTheWay(whole, path, `belongs to user ${stats.uid}, who can lead it elsewhere`);
  return { isThere: true, link: await readlink(path, 'latin1') };
}

function inTheWay(path: string, link: Buffer, why: string): HoldfastError {
  const [whole, name] = [bytePathBelow(path, '').toString(), link.toString().replace(/^.*\//s, '')];
  return new HoldfastError(
    'failed',
    `"${whole}" cannot be restored to as root: the symbolic link "${name}" in it ${why}`,
    {
      code: 'link_in_the_way',
      hint: `give the path without the link, as "realpath ${whole}" has it, or restore as the user that PostgreSQL runs as`,
    },
  );
}
