/**
 * Reads the content of the repository of a cluster. Anything that cannot be read is an error, and then
 * nothing expires.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import type { Histories } from '../postgres/timeline-history.ts';
import { readIdentity, type ClusterIdentity } from '../repository/cluster-identity.ts';
import { archiveUnreadable, readArchive } from '../repository/archive-content.ts';
import { readAllBackups } from '../repository/catalog.ts';
import { isUnreadable } from '../repository/repository-errors.ts';
import { archivedPath, walFileKind } from '../repository/wal-archive.ts';
import { lastWritten } from '../recovery/wal-times.ts';
import type { StoredCopy } from './expiry-candidates.ts';
import { readSmallFile } from '../system/small-file.ts';
import type { LastUse } from './timelines-to-reach.ts';

/** The WAL archive of a cluster. */
export interface ArchiveContent {
  identity: ClusterIdentity;
  files: readonly string[];
  histories: Histories;
  /** When each timeline was last written to; empty if the archive has one timeline only. */
  lastUse: LastUse;
}

/**
 * Reads all backups in the repository, with their labels.
 * @throws HoldfastError `repository_unreadable` where the description of a backup is missing or cannot be
 * read
 */
export async function storedCopies(clusterDirectory: string): Promise<StoredCopy[]> {
  try {
    const backups = await readAllBackups(clusterDirectory);
    return await Promise.all(
      backups.map(async ({ description, meta }) => ({
        description,
        label: (await readSmallFile(join(meta, 'backup_label'))).toString('latin1'),
      })),
    );
  } catch (error) {
    const repair = 'repair it, or move that backup with its .meta directory away';
    throw new HoldfastError('failed', `a backup's description cannot be read: ${messageOf(error)}`, {
      code: 'repository_unreadable',
      hint: `${(isUnreadable(error) ? error.hint : undefined) ?? repair}; nothing expires until then`,
      cause: error,
    });
  }
}

/**
 * Reads the names and times of the archived files; undefined if the directory is not a repository of a
 * cluster.
 * @throws HoldfastError `repository_unreadable`
 */
export async function readArchivedFiles(clusterDirectory: string): Promise<ArchiveContent | undefined> {
  const identity = await readIdentity(clusterDirectory);
  if (identity === undefined) return undefined;
  try {
    const { files, histories } = await readArchive(clusterDirectory);
    const lastUse = await lastUseOf(clusterDirectory, files, identity.walSegmentSize);
    return { identity, files, histories, lastUse };
  } catch (error) {
    const cause = isUnreadable(error) ? error.cause : error;
    throw archiveUnreadable(
      clusterDirectory,
      cause,
      'make it readable for this user: nothing expires until then',
    );
  }
}

async function lastUseOf(
  clusterDirectory: string,
  files: readonly string[],
  segmentSize: number,
): Promise<LastUse> {
  const archivedAt = new Map<number, Date>();
  const writtenAt = new Map<number, Date>();
  const segments = files.filter((file) => !file.endsWith('.history'));
  const timelines = new Set(segments.map((file) => Number.parseInt(file.slice(0, 8), 16)));
  if (timelines.size < 2) return { archivedAt, writtenAt };
  for (const timeline of timelines) {
    const its = segments.filter((file) => Number.parseInt(file.slice(0, 8), 16) === timeline);
    for (const file of its) {
      const { mtime } = await stat(archivedPath(clusterDirectory, file));
      if (mtime > (archivedAt.get(timeline) ?? 0)) archivedAt.set(timeline, mtime);
    }
    const whole = its.filter((file) => walFileKind(file) === 'segment');
    const written = await lastWritten(clusterDirectory, whole, segmentSize);
    if (written !== undefined) writtenAt.set(timeline, written.at);
  }
  return { archivedAt, writtenAt };
}
