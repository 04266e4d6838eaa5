/**
 * Reads and writes files of a data directory that Holdfast adds or extends, with the owner and the mode of PostgreSQL's
 * own files. A new file is written under a temporary name, and renamed. Root therefore never writes to a file that
 * another user has put there, and gives away only what root has just created.
 */
import { constants } from 'node:fs';
import { lstat, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { openRegularFile } from '../system/regular-file.ts';
import { readSmall } from '../system/small-file.ts';
import { temporaryName } from '../system/temporary-files.ts';

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

/**
 * Reads a small file; undefined where the file does not exist. As root, the file has to belong to `owner` unless that is
 * root, because its content is given to `owner`.
 * @throws HoldfastError `link_in_the_way`
 */
export async function readOwned(
  path: string,
  { owner }: Pick<FileOwnership, 'owner'>,
): Promise<Buffer | undefined> {
  const file = await openRegularFile(path, owner === undefined ? 0 : constants.O_NOFOLLOW).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw owner !== undefined && error.code === 'ELOOP' ? inTheWay(path) : error;
    },
  );
  try {
    if (file === undefined) return undefined;
    const { uid, nlink } = await file.stat();
    const isTheirs = owner === undefined || owner.uid === 0 || (nlink === 1 && uid === owner.uid);
    if (!isTheirs) throw inTheWay(path);
    return await readSmall(file, path);
  } finally {
    await file?.close();
  }
}

/**
 * Replaces a file. `sync` flushes the file to disk.
 * @throws HoldfastError `link_in_the_way`
 */
export async function writeOwned(
  path: string,
  content: Buffer | AsyncIterable<Buffer>,
  { owner, fileMode }: FileOwnership,
  { sync = false } = {},
): Promise<void> {
  if (owner !== undefined) await refuseLink(path);
  // PostgreSQL's tools skip this temporary name, should this process be killed.
  const temporary = join(dirname(path), temporaryName(`pgsql_tmp.${basename(path)}`));
  try {
    const file = await open(temporary, 'wx', fileMode);
    try {
      if (owner !== undefined) await file.chown(owner.uid, owner.gid);
      await file.chmod(fileMode);
      await file.writeFile(content);
      if (sync) await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** A link is not replaced without a word: the operator may have made the link. */
async function refuseLink(path: string): Promise<void> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (found !== undefined && (!found.isFile() || found.nlink !== 1)) throw inTheWay(path);
}

function inTheWay(path: string): HoldfastError {
  return new HoldfastError(
    'failed',
    `as root, "${path}" is not used: it is a link, not a file, or not a file of the user that owns the directory`,
    {
      code: 'link_in_the_way',
      hint: 'remove the link, or give the file to the user that PostgreSQL runs as (chown); or run this as that user',
    },
  );
}
