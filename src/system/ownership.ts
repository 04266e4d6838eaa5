/**
 * Gives files that root writes into the repository of another user to that user, who has to read the files to archive
 * and restore. Only root can change the owner of a file. A file that was replaced by a symbolic link meanwhile is not
 * given away.
 */
import { constants, type Stats } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';

const asItIs = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Gives a file or directory created by root to the owner of `directory`. Does nothing unless this process runs as
 * root.
 */
export async function giveToOwnerOf(directory: string, path: string): Promise<void> {
  const owner = await ownerToGiveTo(directory);
  if (owner !== undefined) await give(owner, path);
}

/** The same as giveToOwnerOf(), for an open file. */
export async function giveFileToOwnerOf(directory: string, file: FileHandle): Promise<void> {
  const owner = await ownerToGiveTo(directory);
  if (owner !== undefined) await giveOpen(owner, file);
}

type Owner = Pick<Stats, 'uid' | 'gid'>;

async function ownerToGiveTo(directory: string): Promise<Owner | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const owner = await stat(directory);
  return owner.uid === 0 ? undefined : owner;
}

async function give(owner: Owner, path: string): Promise<void> {
  const file = await open(path, asItIs);
  try {
    await giveOpen(owner, file);
  } finally {
    await file.close();
  }
}

/**
 * A file with several links is skipped, because another name may belong to another user. A linked segment of the
 * archive was given to the owner when the segment was archived.
 */
async function giveOpen({ uid, gid }: Owner, file: FileHandle): Promise<void> {
  const found = await file.stat();
  const isOurs = found.isDirectory() || found.nlink === 1;
  if (isOurs && found.uid !== uid) await file.chown(uid, gid);
}
