/** Files that are added to what was extracted: they belong to whom PostgreSQL's own files belong to. */
import { constants } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { HoldfastError } from '../errors.ts';

export interface FileOwnership {
  /** undefined: ourselves. */
  owner: { uid: number; gid: number } | undefined;
  fileMode: number;
  directoryMode: number;
}

/** As a file of PostgreSQL's has it; its group may read all or nothing. */
export async function ownershipOf(file: string): Promise<FileOwnership> {
  const { uid, gid, mode } = await stat(file);
  const group = (mode & 0o040) !== 0;
  return {
    owner: process.getuid?.() === 0 ? { uid, gid } : undefined,
    fileMode: group ? 0o640 : 0o600,
    directoryMode: group ? 0o750 : 0o700,
  };
}

/** The whole file, in place of whatever it was before. */
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

/** What root writes and gives away is no file that somebody else has put a link to: it would be his from then on. */
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
  return new HoldfastError('failed', `as root, "${path}" is not written to: it is a link, or no file`, {
    code: 'link_in_the_way',
    hint: 'remove it, or run this as the user that PostgreSQL runs as',
  });
}
