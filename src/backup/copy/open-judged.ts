/**
 * Opens what has been looked at. Whoever may write into the data directory could put something else in its place
 * meanwhile, and have root copy for him what only root may read. So what is open is judged by itself.
 */
import { closeSync, constants, existsSync, fstatSync, openSync, readlinkSync, realpathSync } from 'node:fs';
import { toSystem, toText } from '../../system/byte-path.ts';
import { CopyError } from './copy-error.ts';

/** Nobody leads root to more than the owner of the data directory may read. undefined: we may not read more ourselves. */
export function ownerToJudgeBy(owner: number): number | undefined {
  return process.geteuid?.() === 0 && owner !== 0 ? owner : undefined;
}

/** `at`: without a symbolic link in it, one character a byte. undefined: it has vanished. @throws CopyError */
export function openJudged(at: string, owner: number | undefined, kind = 0): number | undefined {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  let fd: number;
  try {
    fd = openSync(toSystem(at), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | kind);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw CopyError.reading(toText(at), error);
  }
  if (owner === undefined || isJudged(fd, at, owner)) return fd;
  closeSync(fd);
  throw CopyError.reading(
    toText(at),
    new Error("what is not the data directory owner's was put in its place while it was copied"),
  );
}

/** The owner's, or what was looked at: still there, and not what a link has led to since. */
function isJudged(fd: number, at: string, owner: number): boolean {
  const stats = fstatSync(fd);
  if (!stats.isFile() && !stats.isDirectory()) return false;
  if (stats.uid === owner) return true;
  const place = existsSync('/proc/self/fd')
    ? readlinkSync(`/proc/self/fd/${fd}`, 'latin1').replace(/ \(deleted\)$/, '')
    : realpathSync.native(toSystem(at), 'latin1');
  return place === at;
}
