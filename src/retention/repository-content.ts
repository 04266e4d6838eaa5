/**
 * Reads the content of the repository of a cluster. Anything that cannot be read is an error, and then
 * nothing expires.
 */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import type { Ancestor } from '../postgres/timeline-history.ts';
import { readIdentity, type ClusterIdentity } from '../repository/cluster-identity.ts';
import { entryName } from '../repository/label-entry.ts';
import {
  backupsDirectory,
  listBackupNames,
  metaDirectory,
  namesIn,
} from '../repository/repository-backup.ts';
import { archivedHistories } from '../repository/archived-histories.ts';
import { isUnreadable } from '../repository/repository-errors.ts';
import { archivedFiles, archivedPath } from '../repository/wal-archive.ts';
import type { StoredCopy } from './expiry-candidates.ts';

/** The WAL archive of a cluster. */
export interface ArchiveContent {
  identity: ClusterIdentity;
  files: string[];
  histories: Map<number, Ancestor[]>;
  /** When the newest file of each timeline was archived; empty if the archive has one timeline only. */
  archivedAt: Map<number, Date>;
}

/**
 * Lists all backups in the repository.
 * @throws HoldfastError `repository_unreadable` where the description of a backup is missing or cannot be
 * read
 */
export async function listAllBackups(clusterDirectory: string): Promise<StoredCopy[]> {
  const parent = backupsDirectory(clusterDirectory);
  const names = new Set(await namesIn(parent));
  const isLone = (name: string) => /^\d{8}T\d{6}Z-\d+$/.test(name) && !names.has(metaDirectory(name));
  const lone = [...names].find((name) => isLone(name) && !names.has(`${metaDirectory(name)}.expired`));
  try {
    if (lone !== undefined) throw new Error(`"${join(parent, metaDirectory(lone))}" is missing`);
    const listed = await listBackupNames(clusterDirectory);
    return await Promise.all(
      listed.map(async (description) => {
        const meta = metaDirectory(join(parent, entryName(description)));
        return { description, label: await readFile(join(meta, 'backup_label'), 'latin1') };
      }),
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
    const histories = await archivedHistories(clusterDirectory);
    const files = await archivedFiles(clusterDirectory);
    return { identity, files, histories, archivedAt: await archivedTimes(clusterDirectory, files) };
  } catch (error) {
    throw new HoldfastError(
      'failed',
      `the WAL archive in "${clusterDirectory}" cannot be read: ${messageOf(error)}`,
      {
        code: 'repository_unreadable',
        hint: 'make it readable for this user: nothing expires until then',
        cause: error,
      },
    );
  }
}

async function archivedTimes(clusterDirectory: string, files: readonly string[]): Promise<Map<number, Date>> {
  const times = new Map<number, Date>();
  const segments = files.filter((file) => !file.endsWith('.history'));
  const timelines = new Set(segments.map((file) => file.slice(0, 8)));
  if (timelines.size < 2) return times;
  for (const file of segments) {
    const timeline = Number.parseInt(file.slice(0, 8), 16);
    const { mtime } = await stat(archivedPath(clusterDirectory, file));
    if (mtime > (times.get(timeline) ?? 0)) times.set(timeline, mtime);
  }
  return times;
}
