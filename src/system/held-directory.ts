/**
 * Directories of a repository as root reaches them. Whoever owns the repository could otherwise put a symbolic link
 * in the place of one, and have root write, give away or remove what is somebody else's. So root opens one after the
 * other, and reaches the names in the last by what is open instead of by its path. A symbolic link that another user
 * has made or can replace is followed only where the directory that it ends in is that user's own.
 *
 * Everybody else writes what he may write anyway, by name.
 */
import { constants, existsSync } from 'node:fs';
import { lstat, mkdir, open, readdir, readlink, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { fsyncDirectory } from './durable-files.ts';
import { giveFileToOwnerOf } from './ownership.ts';

export interface HeldDirectory {
  /** By which path its names are reached, in this process. */
  at: string;
  release: () => Promise<void>;
}

/** As constants.O_NOFOLLOW, where somebody may want to lead us: not where we are who we are. */
export const noFollow = isRoot() ? constants.O_NOFOLLOW : 0;

/** Whether we are root, where the system has paths of what is open. */
export function canHold(): boolean {
  return isRoot() && hasDescriptors();
}

/** Does the work with a directory that is there: `at` is the path by which its names are reached meanwhile. */
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

/** The same, with a file in that directory. */
export function beside<T>(path: string, work: (file: string) => Promise<T>): Promise<T> {
  return within(dirname(path), (at) => work(join(at, basename(path))));
}

/** @throws HoldfastError `link_in_the_way`, or an error of the file system where it is not there */
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

/** With its parents; each new one's name is on the disk when it resolves. As root, it belongs to whom its parent belongs. */
export async function makeDurableDirectory(path: string): Promise<void> {
  if (isRoot()) {
    await (await walked(path, true)).file.close();
    return;
  }
  const first = await mkdir(path, { recursive: true, mode: directoryMode });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made))
    await fsyncDirectory(dirname(made));
}

/** What O_NOFOLLOW says of a file. */
export function linkRefused(error: unknown, path: string): unknown {
  if (!isRoot() || (error as NodeJS.ErrnoException).code !== 'ELOOP') return error;
  return inTheWay(path, basename(path), 'is in the place of a file of Holdfast');
}

const directoryMode = 0o700;
const asDirectory = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
/** As many links in a path as the kernel follows. */
const mostLinks = 40;

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** Good for all threads of the process, and not for its children. */
function hasDescriptors(): boolean {
  return existsSync('/proc/self/fd');
}

interface Walk {
  file: FileHandle;
  at: string;
  uid: number;
  ino: number;
  dev: number;
  /** Symbolic links that have led here and that another user has made, or can replace. */
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
  const { uid, ino, dev } = await file.stat();
  return { file, at: hasDescriptors() ? `/proc/self/fd/${file.fd}` : path, uid, ino, dev, led };
}

/** What is not there is made, if that is wanted, and given to whom the parent belongs. */
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
  // Another one may have been put in its place: that one is not given away.
  if (isOurs && made.uid === 0 && (await readdir(made.at)).length === 0) {
    await giveFileToOwnerOf(parent.at, made.file);
    made.uid = (await made.file.stat()).uid;
  }
  await fsyncDirectory(parent.at);
  return made;
}

/** Where a symbolic link leads, and whose it is: looked at twice, as its owner may put another one there. */
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

/** Who leads us to what is his own gains nothing by it. */
function requireTheirs({ led, uid }: Walk, path: string): void {
  const stranger = led.find((one) => one.uid !== uid);
  if (stranger === undefined) return;
  throw inTheWay(
    path,
    stranger.link,
    `is in the hands of user ${stranger.uid}, and leads to a directory of user ${uid}`,
  );
}

/** Where there are no paths of what is open, the names went by path all the while. */
async function requireSame(path: string, { ino, dev }: Walk): Promise<void> {
  const now = await stat(path);
  if (now.ino !== ino || now.dev !== dev)
    throw inTheWay(path, basename(path), 'was put in its place meanwhile');
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

/** An error as it would be by name. */
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
      hint: 'remove the link, or run this as the user that the repository belongs to; to have it on another disk, give the directory there to that user',
    },
  );
}
