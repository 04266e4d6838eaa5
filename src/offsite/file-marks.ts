/**
 * Lists files with their sizes and modification times, which tell whether another file has taken the name of one. A
 * directory that has not changed since it was listed is not read again, so that a look costs one system call for each
 * directory, and not one for each file. A file that was overwritten in place is therefore found only when its
 * directory has changed, or by a look that reads every directory afresh.
 */
import type { Dirent, Stats } from 'node:fs';
import { lstat, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { refuseUnreadable } from '../repository/repository-errors.ts';

/** The mark of each file, by its path relative to the directory that was listed. */
export type FileMarks = Map<string, string>;

/** Milliseconds for which the modification time of a directory may not show a change yet. */
const clockGranularity = 1000;
/** Listings that are kept. A directory of the archive has up to 4096 segments. */
const mostKept = 1000;

interface Listing {
  changedAt: number;
  files: FileMarks;
  directories: string[];
}

/** By device and inode: the path of a directory may lead through a descriptor. */
const kept = new Map<string, Listing>();

/**
 * Lists the files of a directory, without those of the directories in it. Both are empty where the directory does not
 * exist. `afresh`: the directory is read even if it has not changed.
 * @throws HoldfastError `repository_unreadable`
 */
export async function listMarked(directory: string, afresh = false): Promise<Omit<Listing, 'changedAt'>> {
  try {
    const { dev, ino, mtimeMs } = await stat(directory);
    const key = `${dev}:${ino}`;
    const known = kept.get(key);
    if (!afresh && known?.changedAt === mtimeMs) return known;
    const isSettled = Date.now() - mtimeMs > clockGranularity;
    const listing = await list(directory, mtimeMs);
    kept.delete(key);
    if (kept.size >= mostKept) kept.clear();
    if (isSettled) kept.set(key, listing);
    return listing;
  } catch (error) {
    refuseUnreadable(directory, error);
    return { files: new Map(), directories: [] };
  }
}

async function list(directory: string, changedAt: number): Promise<Listing> {
  const listing: Listing = { changedAt, files: new Map(), directories: [] };
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) listing.directories.push(entry.name);
    else await addFile(listing, directory, entry);
  }
  return listing;
}

async function addFile({ files }: Listing, directory: string, { name }: Dirent): Promise<void> {
  const stats = await lstat(join(directory, name)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error; // an expiry has removed the file meanwhile
  });
  if (stats !== undefined) files.set(name, markOf(stats));
}

function markOf({ size, mtimeMs }: Stats): string {
  return `${size} ${Math.round(mtimeMs)}`;
}

/**
 * Lists all files below `directory`, which is relative to `root` or empty. `afresh`: as for listMarked().
 * @throws HoldfastError `repository_unreadable`
 */
export async function listMarkedBelow(root: string, directory: string, afresh = false): Promise<FileMarks> {
  const { files, directories } = await listMarked(join(root, directory), afresh);
  const within = (name: string) => (directory === '' ? name : `${directory}/${name}`);
  const found: FileMarks = new Map([...files].map(([name, mark]) => [within(name), mark]));
  for (const name of directories)
    for (const [path, mark] of await listMarkedBelow(root, within(name), afresh)) found.set(path, mark);
  return found;
}
