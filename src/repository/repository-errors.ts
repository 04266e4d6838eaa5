/** What goes wrong with the repository's disk, said the same way everywhere. */
import { readFile } from 'node:fs/promises';
import { HoldfastError, messageOf } from '../errors.ts';

/** Whether that code of a failed system call says that there is no room. */
export function isFull(code: string | undefined): boolean {
  return code === 'ENOSPC' || code === 'EDQUOT';
}

export function repositoryFull(path: string, cause?: unknown): HoldfastError {
  return new HoldfastError('failed', `the repository is full: "${path}" cannot be written`, {
    code: 'repository_full',
    hint: 'make room in it, or name another ([worker] repository, HOLDFAST_REPOSITORY); PostgreSQL keeps a segment and tries again, a backup has to be requested again',
    cause,
  });
}

export function repositoryUnreadable(path: string, cause: unknown): HoldfastError {
  return new HoldfastError('failed', `"${path}" cannot be read: ${messageOf(cause)}`, {
    code: 'repository_unreadable',
    hint: 'run this as the user that owns the repository, and see that its disk is well',
    cause,
  });
}

/** undefined: there is no such file. @throws HoldfastError `repository_unreadable` */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw repositoryUnreadable(path, error);
  }
}

/** A failure to write, said with the path; errors of our own pass. */
export function repositoryError(error: unknown, path: string): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (error instanceof HoldfastError || syscall === undefined) return error;
  if (isFull(code)) return repositoryFull(path, error);
  return new HoldfastError('failed', `"${path}" cannot be written: ${messageOf(error)}`, {
    code: 'repository_unwritable',
    hint: 'the repository ([worker] repository, HOLDFAST_REPOSITORY) has to belong to the user that archives',
    cause: error,
  });
}
