/**
 * Writes files that a restore adds to the extracted files, with the owner and the mode of PostgreSQL's own
 * files.
 */
import { constants } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { HoldfastError } from '../errors.ts';

/** Owner and modes of the files of a data directory. */
export interface FileOwnership {
  /** undefined: the user of this process. */
  owner: { uid: number; gid: number } | undefined;
  fileMode: number;
  directoryMode: number;
}

/**
 * The owner and modes to use for files beside `file`, which PostgreSQL wrote. Group access is either read or
 * none.
 */
export async function ownershipOf(file: string): Promise<FileOwnership> {
  const { uid, gid, mode } = await stat(file);
  const group = (mode & 0o040) !== 0;
  return {
    owner: process.getuid?.() === 0 ? { uid, gid } : undefined,
    fileMode: group ? 0o640 : 0o600,
    directoryMode: group ? 0o750 : 0o700,
  };
}

/** Replaces the content of a file. `sync` flushes the file to disk. */
export async function writeOwned(
  path: string,
  content: Buffer | AsyncIterable<Buffer>,
  { owner, fileMode }: FileOwnership,
  { sync = false } = {},
): Promise<void> {
  const file = await openToReplace(path, fileMode, owner !== undefined);
  try {
    await file.truncate();
    if (owner !== undefined) await file.chown(owner.uid, owner.gid);
    await file.chmod(fileMode);
    await file.writeFile(content);
    if (sync) await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Opens a file for writing. Root does not write to a link that another user has made: the target of the link
 * would belong to the other user afterwards.
 */
async function openToReplace(path: string, mode: number, isRoot: boolean): Promise<FileHandle> {
  const { O_WRONLY, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  if (!isRoot) return open(path, 'w', mode);
  const file = await open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, mode).catch(
    (error: NodeJS.ErrnoException) => {
      throw error.code === 'ELOOP' ? inTheWay(path) : error;
    },
  );
  const stats = await file.stat();
  if (stats.isFile() && stats.nlink === 1) return file;
  await file.close();
  throw inTheWay(path);
}

function inTheWay(path: string): HoldfastError {
  return new HoldfastError('failed', `as root, "${path}" is not written to: it is a link, or not a file`, {
    code: 'link_in_the_way',
    hint: 'remove the link, or run this as the user that PostgreSQL runs as',
  });
}
