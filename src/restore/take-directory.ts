/**
 * Directories that a restore writes into, made where they are not there. As root they are reached step by step by what
 * is open instead of by their paths: whoever owns a directory above could otherwise put a symbolic link in the way.
 */
import { chmod, lstat, mkdir, open, readdir, readlink, rmdir, stat, type FileHandle } from 'node:fs/promises';
import { constants } from 'node:fs';
import { dirname } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { bytePathBelow } from '../system/byte-path.ts';

export interface TakenDirectory {
  /** By which path it is written; one character a byte. */
  written: string;
  release: () => Promise<void>;
  /** Makes it as it was, or removes it where it was not there, if it is empty; before the release. */
  giveBack: () => Promise<void>;
}

export const unwritableHint =
  'run this as a user who may write there, or name a directory below one that belongs to the user who runs it';

/** `path`: absolute, one character a byte. @throws HoldfastError `directory_unwritable`, and then nothing is changed */
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

/** Nobody else gets in until it is given away. @throws HoldfastError `link_in_the_way`, `directory_unwritable` */
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

/** The parents as everybody's: only the directory itself is for the server alone. */
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
  for (const path of made.toReversed()) await rmdir(path).catch(() => undefined);
}

function notMade(path: string, error: unknown): HoldfastError {
  const name = bytePathBelow(path, '').toString();
  return new HoldfastError('failed', `the directory "${name}" cannot be made: ${messageOf(error)}`, {
    code: 'directory_unwritable',
    hint: unwritableHint,
    cause: error,
  });
}

/** Good for the processes that we start, too. */
function pathOf(file: FileHandle): string {
  return `/proc/${process.pid}/fd/${file.fd}`;
}

const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
/** As many links in a path as the kernel follows. */
const mostLinks = 40;

/** Step by step from the root: only root's own links are followed. What is not there is made. */
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

/** A parent belongs to whom the one above it belongs to, and lets the server's user through whatever root's umask is. */
async function make(
  path: Buffer,
  { parent, isLast, made }: { parent: FileHandle; isLast: boolean; made: Buffer[] },
): Promise<FileHandle> {
  await mkdir(path, { mode: isLast ? 0o700 : 0o777 });
  const file = await open(path, flags);
  try {
    made.push(await readlink(pathOf(file), { encoding: 'buffer' }));
    const { uid, mode } = await file.stat();
    // Another one may have been put in its place: that one is not given away.
    const isOurs = uid === 0 && (await readdir(pathOf(file))).length === 0;
    if (isLast || !isOurs) return file;
    const above = await parent.stat();
    await file.chmod((mode & 0o7777) | 0o111);
    await file.chown(above.uid, above.gid);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

/** `link`: where a symbolic link leads. @throws HoldfastError `link_in_the_way` */
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
