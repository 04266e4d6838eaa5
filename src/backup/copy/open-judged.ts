/**
 * Opens a file that the walk has looked at before. A user who can write into the data directory could replace the
 * file meanwhile, and make root copy a file that only root may read. So the open file itself is checked.
 */
import { closeSync, constants, existsSync, fstatSync, openSync, readlinkSync, realpathSync } from 'node:fs';
import { toSystem, toText } from '../../system/byte-path.ts';
import { CopyError } from './copy-error.ts';

/**
 * Returns the user id whose permissions count when root copies a data directory of another user. undefined: the
 * worker does not run as root, or root owns the data directory, so no check is needed.
 */
export function ownerToJudgeBy(owner: number): number | undefined {
  return process.geteuid?.() === 0 && owner !== 0 ? owner : undefined;
}

/**
 * Opens a file or directory and returns the file descriptor; undefined: the path has vanished. `at`: path without
 * symbolic links, one character per byte. `owner`: see ownerToJudgeBy. `kind`: further flags for open(2).
 * @throws CopyError
 */
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

/**
 * Whether the open file belongs to the owner of the data directory, or is still at the path that the walk has
 * looked at. A path through a new symbolic link fails this check.
 */
function isJudged(fd: number, at: string, owner: number): boolean {
  const stats = fstatSync(fd);
  if (!stats.isFile() && !stats.isDirectory()) return false;
  if (stats.uid === owner) return true;
  const place = existsSync('/proc/self/fd')
    ? readlinkSync(`/proc/self/fd/${fd}`, 'latin1').replace(/ \(deleted\)$/, '')
    : realpathSync.native(toSystem(at), 'latin1');
  return place === at;
}
