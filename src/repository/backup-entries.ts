/**
 * Finds the backup_label files of the backups in the repository. The .meta directory of a backup has the files of an
 * entry of the label directory and is read like one. Needs neither a database nor a worker.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isEntryOf } from './label-entry.ts';
import { backupsDirectory, metaDirectory, namesIn } from './repository-backup.ts';

/**
 * Finds the .meta directories of the backups with the request's `id`, oldest first, in one cluster or, where
 * `cluster` is undefined, in all.
 */
export async function findBackupEntries(
  repository: string,
  id: number,
  cluster: string | undefined,
): Promise<string[]> {
  const clusters = cluster === undefined ? (await namesIn(repository)).sort() : [cluster];
  const found: string[] = [];
  for (const name of clusters) {
    const directory = join(repository, name);
    if (!(await isDirectory(directory))) continue;
    const names = await namesIn(backupsDirectory(directory));
    const finished = names.filter((entry) => isEntryOf(entry, id) && names.includes(metaDirectory(entry)));
    found.push(...finished.sort().map((entry) => metaDirectory(join(backupsDirectory(directory), entry))));
  }
  return found;
}

/** Returns the .meta directory beside `directory` if `directory` is a backup's in a repository, or else undefined. */
export async function entryOfBackup(directory: string): Promise<string | undefined> {
  const meta = metaDirectory(directory.replace(/\/+$/, ''));
  return (await isDirectory(meta)) ? meta : undefined;
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}
