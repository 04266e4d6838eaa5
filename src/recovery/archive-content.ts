/**
 * Reads which WAL segments and timeline history files recovery would find in the WAL archive of a cluster.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { archivedHistories } from '../repository/archived-histories.ts';
import { archivedSegments } from '../repository/wal-archive.ts';
import type { ArchiveContents } from './wal-path.ts';

/**
 * Reads the names of the archived segments and the timeline histories. Both are empty if the cluster has no
 * WAL archive.
 * @throws HoldfastError where the archive cannot be read
 */
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

/** The names of the segments that a backup stores in a pg_wal directory of its own. */
export async function ownSegments(backupDirectory: string): Promise<Set<string>> {
  const names = await readdir(join(backupDirectory, 'pg_wal')).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return new Set(names.filter((name) => /^[0-9A-F]{24}\.zst$/.test(name)).map((name) => name.slice(0, 24)));
}
