/** Reads which WAL files and timelines an archive has. */
import { join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { parseHistoryFile, type Ancestor, type Histories } from '../postgres/timeline-history.ts';
import { requireArchiveThere } from './archive-there.ts';
import { namesIn } from './repository-backup.ts';
import { archivedFiles, archivedPath, timelineHistories, walFileKind } from './wal-archive.ts';
import { readSmallFile } from '../system/small-file.ts';

/** The segments and the timelines of a WAL archive. */
export interface ArchiveContents {
  /** Names of the whole segments. */
  segments: ReadonlySet<string>;
  histories: Histories;
}

/** All of a WAL archive. */
export interface ArchiveListing extends ArchiveContents {
  /** PostgreSQL's names of all files, sorted. */
  files: readonly string[];
}

/**
 * Reads the names of the archived files, and the timeline histories. Both are empty where the cluster has no WAL
 * archive.
 * @throws HoldfastError `archive_damaged`, `repository_unreadable`, `no_archive`
 */
export async function readArchive(clusterDirectory: string): Promise<ArchiveListing> {
  try {
    const histories = await archivedHistories(clusterDirectory);
    const files = await archivedFiles(clusterDirectory);
    if (files.length === 0) await requireArchiveThere(clusterDirectory);
    const segments = new Set(files.filter((file) => walFileKind(file) === 'segment'));
    return { files, segments, histories };
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    throw archiveUnreadable(clusterDirectory, error, 'run this as the user that owns the repository');
  }
}

/** The error `repository_unreadable` for a WAL archive. */
export function archiveUnreadable(clusterDirectory: string, cause: unknown, hint: string): HoldfastError {
  return new HoldfastError(
    'failed',
    `the WAL archive in "${clusterDirectory}" cannot be read: ${messageOf(cause)}`,
    { code: 'repository_unreadable', hint, cause },
  );
}

async function archivedHistories(clusterDirectory: string): Promise<Map<number, Ancestor[]>> {
  const histories = new Map<number, Ancestor[]>();
  for (const name of await timelineHistories(clusterDirectory)) {
    const path = archivedPath(clusterDirectory, name);
    histories.set(Number.parseInt(name, 16), parseHistoryFile(path, await readSmallFile(path)));
  }
  return histories;
}

/** The names of the segments that a backup has in a pg_wal directory of its own. */
export async function ownSegments(backupDirectory: string): Promise<Set<string>> {
  const names = await namesIn(join(backupDirectory, 'pg_wal'));
  const files = names.filter((name) => name.endsWith('.zst')).map((name) => name.slice(0, -'.zst'.length));
  return new Set(files.filter((file) => walFileKind(file) === 'segment'));
}
