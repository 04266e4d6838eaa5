/** Tells an archive of WAL from the mount point of one that is not mounted. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { HoldfastError } from '../errors.ts';
import { walDirectory, writingDirectory } from './wal-archive.ts';

/**
 * Refuses a directory `wal` without any entry. Every archive that WAL was pushed to has the directory for temporary files,
 * whatever has been removed since. `wal` may be a volume of its own: WAL that is pushed below its mount point would be out
 * of sight when the volume is mounted again, and what is in the volume would be taken for missing.
 * @throws HoldfastError `no_archive`
 */
export async function requireArchiveThere(clusterDirectory: string): Promise<void> {
  if (existsSync(writingDirectory(clusterDirectory))) return;
  const directory = walDirectory(clusterDirectory);
  const names = await readdir(directory).catch(() => undefined);
  if (names === undefined || names.length > 0) return;
  throw new HoldfastError('failed', `"${directory}" is empty, and an archive of WAL never is`, {
    code: 'no_archive',
    hint: `mount its file system; or type "rmdir ${directory}" for a new archive, where all WAL was removed on purpose`,
  });
}
