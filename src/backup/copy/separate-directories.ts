/**
 * Refuses a repository or label directory inside of the directories that are copied: each copy would contain all
 * copies before. The check comes before the checkpoint of the backup.
 */
import { readdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../../errors.ts';
import { isBelowPath, realPathOf } from '../../system/real-path.ts';

/** The directories that a worker writes while a cluster is backed up. */
export interface WrittenDirectories {
  /** The cluster's directory in the repository. */
  clusterDirectory: string;
  /** The label directory. */
  labels: string;
}

/**
 * Refuses also a directory on another disk that is mounted in the data directory: a copy includes mounted file
 * systems.
 * @throws HoldfastError `repository_in_cluster`
 */
export async function requireSeparateDirectories(
  dataDirectory: string,
  { clusterDirectory, labels }: WrittenDirectories,
): Promise<void> {
  const copied = await copiedDirectories(dataDirectory);
  await requireOutside(copied, clusterDirectory, {
    what: 'the repository',
    hint: 'name a directory outside of it ([worker] repository, HOLDFAST_REPOSITORY, and in archive_command), and move there what is in this one',
  });
  await requireOutside(copied, labels, {
    what: 'the label directory',
    hint: 'name a directory outside of it ([worker] labels, HOLDFAST_LABELS), and move there what is in this one',
  });
}

interface Copied {
  what: string;
  path: string;
}

async function copiedDirectories(dataDirectory: string): Promise<Copied[]> {
  const links = join(dataDirectory, 'pg_tblspc');
  const copied = [{ what: 'the data directory', path: await realpath(dataDirectory) }];
  // findSource checks whether the path is a data directory
  const names = await readdir(links).catch((): string[] => []);
  for (const name of names.filter((one) => /^\d+$/.test(one))) {
    // the copy reports a broken link
    const path = await realpath(join(links, name)).catch(() => undefined);
    if (path !== undefined) copied.push({ what: `tablespace ${name}`, path });
  }
  return copied;
}

async function requireOutside(
  copied: readonly Copied[],
  directory: string,
  { what, hint }: { what: string; hint: string },
): Promise<void> {
  const path = await realPathOf(directory);
  const around = copied.find((one) => isBelowPath(path, one.path));
  if (around === undefined) return;
  throw new HoldfastError('failed', `${what} "${directory}" is in ${around.what}, "${around.path}"`, {
    code: 'repository_in_cluster',
    hint,
  });
}
