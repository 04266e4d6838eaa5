/**
 * Gives files that root writes into the repository of another user to that user, who has to read the files to archive
 * and restore. Only root can change the owner of a file. A file is given by its descriptor as soon as root has created
 * the file: a path may lead to a file of root's by then.
 */
import { fchownSync, fstatSync, statSync, type Stats } from 'node:fs';
import { stat, type FileHandle } from 'node:fs/promises';

/**
 * Gives an open file or directory that root has just created to the owner of `directory`. Does nothing unless this
 * process runs as root.
 */
export async function giveFileToOwnerOf(directory: string, file: FileHandle): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const [owner, found] = await Promise.all([stat(directory), file.stat()]);
  if (isGiven(owner, found)) await file.chown(owner.uid, owner.gid);
}

/** The same as giveFileToOwnerOf(), for a file descriptor. */
export function giveDescriptorToOwnerOf(directory: string, fd: number): void {
  if (process.getuid?.() !== 0) return;
  const owner = statSync(directory);
  if (isGiven(owner, fstatSync(fd))) fchownSync(fd, owner.uid, owner.gid);
}

/** A file with several links is not given away, because another name may belong to another user. */
function isGiven(owner: Stats, found: Stats): boolean {
  return owner.uid !== 0 && found.uid === 0 && (found.isDirectory() || found.nlink === 1);
}
