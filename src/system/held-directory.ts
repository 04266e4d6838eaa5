/**
 * Opens directories of other users for root. The owner of a repository or of a data directory could otherwise replace a
 * directory by a symbolic link, and so make root write, give away or remove files of other users. Root therefore opens
 * one path component after the other, and accesses the names in the last directory through its descriptor instead of
 * its path.
 * A symbolic link that another user has created or can replace is followed only where the link leads to a directory
 * of that same user.
 *
 * For other users, names are accessed by path: such a user cannot write to more than the user's permissions allow.
 */
import { constants, existsSync } from 'node:fs';
import { lstat, mkdir, open, readdir, readlink, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { fsyncDirectory } from './durable-files.ts';
import { orClose } from './or-close.ts';
import { giveFileToOwnerOf } from './ownership.ts';

/** An open directory. */
export interface HeldDirectory {
  /** The path through which this process accesses the names in the directory. */
  at: string;
  /**
   * Closes the directory.
   * @throws HoldfastError `link_in_the_way` where the directory was replaced and the system has no /proc/self/fd
   */
  release: () => Promise<void>;
}

/** constants.O_NOFOLLOW for root; 0 for other users, who gain nothing from a symbolic link. */
export const noFollow = isRoot() ? constants.O_NOFOLLOW : 0;

/** Whether this process runs as root, and the system has paths for open descriptors. */
export function canHold(): boolean {
  return isRoot() && hasDescriptors();
}

/**
 * Runs `work` with an open directory; `at` is the path through which `work` accesses the names in the directory. The
 * directory has to exist.
 */
export async function within<T>(path: string, work: (at: string) => Promise<T>): Promise<T> {
  const { at, release } = await holdDirectory(path);
  try {
    return await work(at);
  } catch (error) {
    throw named(error, at, path);
  } finally {
    await release();
  }
}

/**
 * Runs `work` like within(), for any user. Afterwards `path` has to lead to the same directory: whoever typed the path
 * would otherwise take what was written for what is there.
 * @throws HoldfastError `link_in_the_way` where the directory was moved away or replaced meanwhile
 */
export function withinInPlace<T>(path: string, work: (at: string) => Promise<T>): Promise<T> {
  return within(path, async (at) => {
    const { ino, dev } = await stat(at);
    const result = await work(at);
    const now = await stat(path).catch(() => undefined);
    if (now?.ino !== ino || now.dev !== dev) throw movedAway(path);
    return result;
  });
}

/** Runs `work` with the path of a file in the open directory of that file. */
export function beside<T>(path: string, work: (file: string) => Promise<T>): Promise<T> {
  return within(dirname(path), (at) => work(join(at, basename(path))));
}

/**
 * Opens a directory.
 * @throws HoldfastError `link_in_the_way`, or an error of the file system where the directory does not exist
 */
export async function holdDirectory(path: string): Promise<HeldDirectory> {
  if (!isRoot()) return { at: path, release: () => Promise.resolve() };
  const walk = await walked(path, false);
  return {
    at: walk.at,
    async release() {
      await walk.file.close();
      if (!hasDescriptors()) await requireSame(path, walk);
    },
  };
}

/**
 * Creates a directory and its parents; every new directory is durable when the promise resolves. As root, a new
 * directory is given to the owner of its parent.
 */
export async function makeDurableDirectory(path: string): Promise<void> {
  if (isRoot()) return (await walked(path, true)).file.close();
  const first = await mkdir(path, { recursive: true, mode: directoryMode });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made))
    await fsyncDirectory(dirname(made));
}

/** Creates a directory that must not exist, as root for the owner of its parent. @throws an error of mkdir(2) */
export async function makeNewDirectory(path: string): Promise<void> {
  await beside(path, async (at) => {
    await mkdir(at, { mode: directoryMode });
    if (!isRoot()) return;
    const made = await step(at, [], asDirectory);
    await orClose(made.file, () => giveNew(made, dirname(at)));
    await made.file.close();
  });
}

/** Turns the error of O_NOFOLLOW for a symbolic link into a HoldfastError; returns every other error unchanged. */
export function linkRefused(error: unknown, path: string): unknown {
  if (!isRoot() || (error as NodeJS.ErrnoException).code !== 'ELOOP') return error;
  return inTheWay(path, basename(path), 'is in the place of a file of Holdfast');
}

const directoryMode = 0o700;
const asDirectory = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
/** The number of symbolic links that the kernel follows in one path. */
const mostLinks = 40;

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** Whether /proc/self/fd exists. Its paths are valid for all threads of this process, but not for child processes. */
function hasDescriptors(): boolean {
  return existsSync('/proc/self/fd');
}

/** The directory that has been reached while following a path. */
interface Walk {
  file: FileHandle;
  at: string;
  uid: number;
  ino: number;
  dev: number;
  /** The symbolic links followed so far that another user has created or can replace. */
  led: { link: string; uid: number }[];
}

async function walked(path: string, make: boolean): Promise<Walk> {
  const [, held = '/', below = resolve(path)] = /^(\/proc\/self\/fd\/\d+)(.*)$/.exec(path) ?? [];
  let parts = partsOf(below);
  let walk = await step(held, []);
  try {
    for (let links = 0; ;) {
      const part = parts.shift();
      if (part === undefined) break;
      const next = join(walk.at, part);
      const link = await linkAt(next, path);
      if (link === undefined) {
        const { file, led } = walk;
        walk = await opened(next, walk, { path, make });
        walk.led = led;
        await file.close();
        continue;
      }
      links += 1;
      if (links > mostLinks) throw inTheWay(path, part, 'leads in a circle');
      const hands = [walk.uid, link.uid].filter((uid) => uid !== 0);
      const led = [...walk.led, ...hands.map((uid) => ({ link: part, uid }))];
      parts = [...partsOf(link.target), ...parts];
      if (link.target.startsWith('/')) {
        await walk.file.close();
        walk = await step('/', led);
      }
      walk.led = led;
    }
    requireTheirs(walk, path);
    return walk;
  } catch (error) {
    await walk.file.close().catch(() => undefined);
    throw named(error, walk.at, path);
  }
}

async function step(
  path: string,
  led: Walk['led'],
  flags = constants.O_RDONLY | constants.O_DIRECTORY,
): Promise<Walk> {
  const file = await open(path, flags);
  const { uid, ino, dev } = await orClose(file, () => file.stat());
  return { file, at: hasDescriptors() ? `/proc/self/fd/${file.fd}` : path, uid, ino, dev, led };
}

/**
 * Opens the next directory of a path. With `make`, creates a missing directory and gives it to the owner of the
 * parent.
 */
async function opened(
  next: string,
  parent: Walk,
  { path, make }: { path: string; make: boolean },
): Promise<Walk> {
  try {
    return await step(next, [], asDirectory);
  } catch (error) {
    if (!make || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  requireTheirs(parent, path);
  const isOurs = await mkdir(next, { mode: directoryMode }).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return false;
      throw error;
    },
  );
  const made = await step(next, [], asDirectory);
  return orClose(made.file, async () => {
    if (isOurs) await giveNew(made, parent.at);
    await fsyncDirectory(parent.at);
    return made;
  });
}

/**
 * Gives a new directory to the owner of its parent. Another user may have replaced the new directory meanwhile: the
 * replacement is not given away.
 */
async function giveNew(made: Walk, parent: string): Promise<void> {
  if (made.uid === 0 && (await readdir(made.at)).length === 0) await giveFileToOwnerOf(parent, made.file);
  made.uid = (await made.file.stat()).uid;
}

/**
 * Reads a symbolic link and its owner; undefined for every other file. Checks twice, because the owner may replace
 * the link meanwhile.
 */
async function linkAt(path: string, whole: string): Promise<{ target: string; uid: number } | undefined> {
  const look = () =>
    lstat(path, { bigint: true }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
  const before = await look();
  if (before?.isSymbolicLink() !== true) return undefined;
  const target = await readlink(path);
  const after = await look();
  if (after?.ino !== before.ino || after.ctimeNs !== before.ctimeNs)
    throw inTheWay(whole, basename(path), 'has just been changed');
  return { target, uid: Number(before.uid) };
}

/**
 * Refuses a symbolic link that leads to a directory of a user other than the link's owner. A user who leads root to
 * the user's own directory gains nothing.
 */
function requireTheirs({ led, uid }: Walk, path: string): void {
  const stranger = led.find((one) => one.uid !== uid);
  if (stranger === undefined) return;
  throw inTheWay(
    path,
    stranger.link,
    `is in the hands of user ${stranger.uid}, and leads to a directory of user ${uid}`,
  );
}

/** Without /proc/self/fd, the names were accessed by path. Checks that the path still leads to the same directory. */
async function requireSame(path: string, { ino, dev }: Walk): Promise<void> {
  const now = await stat(path);
  if (now.ino !== ino || now.dev !== dev) throw movedAway(path);
}

function movedAway(path: string): HoldfastError {
  return new HoldfastError(
    'failed',
    `"${path}" was moved away or replaced while it was in use: what was written is not there`,
    {
      code: 'link_in_the_way',
      hint: 'see who moves that directory, and run this again when nobody else changes what is above it',
    },
  );
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

/** Replaces the path through the descriptor by the real path in the error's message. */
function named(error: unknown, at: string, path: string): unknown {
  if (at !== path && at !== '/' && error instanceof Error)
    error.message = error.message.replaceAll(new RegExp(`${at}(?!\\d)`, 'g'), path);
  return error;
}

function inTheWay(path: string, link: string, why: string): HoldfastError {
  return new HoldfastError(
    'failed',
    `"${path}" is not written as root: the symbolic link "${link}" in it ${why}`,
    {
      code: 'link_in_the_way',
      hint: 'remove the link, or run this as the user that the directory belongs to; to have it on another disk, give the directory there to that user',
    },
  );
}
