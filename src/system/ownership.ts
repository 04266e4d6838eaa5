/**
 * What root writes into a repository of somebody else's belongs to that one: who archives and restores there has to
 * read it. Nobody but root can give a file away. What has been swapped for a link meanwhile is not given.
 */
import { constants, type Stats } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';

const asItIs = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Gives a file or directory of ours to whom that directory belongs. */
export async function giveToOwnerOf(directory: string, path: string): Promise<void> {
  const owner = await ownerToGiveTo(directory);
  if (owner !== undefined) await give(owner, path);
}

/** The same, of an open file. */
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

/** A file with other names may be somebody else's; a segment of the archive was given when it came there. */
async function giveOpen({ uid, gid }: Owner, file: FileHandle): Promise<void> {
  const found = await file.stat();
  const isOurs = found.isDirectory() || found.nlink === 1;
  if (isOurs && found.uid !== uid) await file.chown(uid, gid);
}
