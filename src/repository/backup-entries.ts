/**
 * The labels of the backups in the repository: what is kept beside each one has the files of an entry of the label
 * directory, and is read as one. Needs neither a database nor a worker.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isEntryOf } from './label-entry.ts';
import { backupsDirectory, metaDirectory, namesIn } from './repository-backup.ts';

/** The directories with the labels of the backups with that id, oldest first; of one cluster, or of all. */
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

/** Where the label is, if that directory is a backup's in a repository. */
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
