/** Errors of the repository's disk, worded the same everywhere. */
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { userName } from '../system/users.ts';
import { whileAnswering } from '../system/answering.ts';
import { readSmallFile } from '../system/small-file.ts';

/** Whether the code of a failed system call means that the disk or the quota is full. */
export function isFull(code: string | undefined): boolean {
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** The error `repository_full`; `path` could not be written. */
export function repositoryFull(path: string, cause?: unknown): HoldfastError {
  return new HoldfastError('failed', `the repository is full: "${path}" cannot be written`, {
    code: 'repository_full',
    hint: 'make room in the repository, or name another one ([worker] repository, HOLDFAST_REPOSITORY), and request the backup again; PostgreSQL itself archives its segments again',
    cause,
  });
}

/** The error `repository_unreadable`; `path` could not be read. */
export function repositoryUnreadable(path: string, cause: unknown): HoldfastError {
  return new HoldfastError('failed', `"${path}" cannot be read: ${messageOf(cause)}`, {
    code: 'repository_unreadable',
    hint:
      howToRead(path, cause) ??
      'run this as the user that owns the repository, and look for faults of its disk',
    cause,
  });
}

/**
 * Throws where the file system of a directory does not answer. To be called before work that comes again and again: what
 * waits for such a file system keeps a thread.
 * @throws HoldfastError `repository_unreadable`
 */
export function requireAnswering(directory: string): Promise<void> {
  return lookThrough(directory, () => Promise.resolve());
}

/**
 * Runs `look`, which reads below a directory, and gives up waiting for it where the file system stops answering.
 * @throws HoldfastError `repository_unreadable`; the error of `look`
 */
export async function lookThrough<T>(directory: string, look: () => Promise<T>): Promise<T> {
  return whileAnswering(directory, look).catch((error: unknown) => {
    throw (error as NodeJS.ErrnoException).code === 'ETIMEDOUT'
      ? repositoryUnreadable(directory, error)
      : error;
  });
}

/**
 * Throws where `error` is a failed system call other than "no such file". A file that cannot be read says nothing
 * about the backup; a missing file does.
 * @throws HoldfastError `repository_unreadable`
 */
export function refuseUnreadable(file: string, error: unknown): void {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (syscall === undefined || code === 'ENOENT') return;
  throw repositoryUnreadable(file, error);
}

/** Whether `error` is a `repository_unreadable`. */
export function isUnreadable(error: unknown): error is HoldfastError {
  return error instanceof HoldfastError && error.code === 'repository_unreadable';
}

/** The error `backup_damaged`. */
export function backupDamaged(message: string, cause?: unknown): HoldfastError {
  return new HoldfastError('failed', message, {
    code: 'backup_damaged',
    hint: 'restore another backup: "holdfast verify --all" says which ones are sound',
    cause,
  });
}

/** Says what to do about a missing answer, or which user may read `path`; undefined: neither is the problem. */
function howToRead(path: string, cause: unknown): string | undefined {
  const { code } = cause as NodeJS.ErrnoException;
  if (code === 'ETIMEDOUT') return 'see whether the server of that file system runs, or mount it anew';
  if (code !== 'EACCES') return undefined;
  const closed = firstSeen(path);
  const [owner, ours] = [userName(closed.uid), userName(process.getuid?.() ?? 0)];
  return `run this as user ${owner}, to whom "${closed.path}" belongs, or type as root: chown -R ${ours} '${closed.path}'`;
}

/** Returns `path`, or the directory above that hides `path` from this user, with its owner. */
function firstSeen(path: string): { path: string; uid: number } {
  try {
    return { path, uid: statSync(path).uid };
  } catch (error) {
    if (path === dirname(path)) throw error;
    return firstSeen(dirname(path));
  }
}

/** Reads a text file; undefined where the file does not exist. @throws HoldfastError `repository_unreadable` */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return (await readSmallFile(path)).toString('utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw repositoryUnreadable(path, error);
  }
}

const hintForOwner =
  'run this as the user that owns the repository ([worker] repository, HOLDFAST_REPOSITORY), or make a repository for the user of PostgreSQL, as root: install -d -m 700 -o postgres DIR';

function howToWrite(code: string | undefined): string {
  if (code === 'ENOENT') return `see whether the repository is mounted; ${hintForOwner}`;
  return code === 'EACCES' || code === 'EPERM'
    ? hintForOwner
    : 'look for the fault of that file system, and try again';
}

/**
 * Turns a failed write of `path` into a HoldfastError. Returns a HoldfastError, and an error that is not from a
 * system call, unchanged.
 */
export function repositoryError(error: unknown, path: string): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (error instanceof HoldfastError || syscall === undefined) return error;
  if (isFull(code)) return repositoryFull(path, error);
  return new HoldfastError('failed', `"${path}" cannot be written: ${messageOf(error)}`, {
    code: 'repository_unwritable',
    hint: howToWrite(code),
    cause: error,
  });
}
