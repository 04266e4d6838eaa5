/** What the WAL archive of a cluster has, as recovery would find it. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { archivedHistories } from '../repository/archived-histories.ts';
import { archivedSegments } from '../repository/wal-archive.ts';
import type { ArchiveContents } from './wal-path.ts';

/** Empty where there is no archive. @throws HoldfastError where it cannot be read */
export async function readArchiveContents(clusterDirectory: string): Promise<ArchiveContents> {
  try {
    const histories = await archivedHistories(clusterDirectory);
    return { segments: new Set(await archivedSegments(clusterDirectory)), histories };
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    throw new HoldfastError(
      'failed',
      `the WAL archive in "${clusterDirectory}" cannot be read: ${messageOf(error)}`,
      {
        code: 'repository_unreadable',
        hint: 'run this as the user that owns the repository',
        cause: error,
      },
    );
  }
}

/** The segments that a backup has with it, in its own pg_wal. */
export async function ownSegments(backupDirectory: string): Promise<Set<string>> {
  const names = await readdir(join(backupDirectory, 'pg_wal')).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return new Set(names.filter((name) => /^[0-9A-F]{24}\.zst$/.test(name)).map((name) => name.slice(0, 24)));
}
