/**
 * Finds the files of a copy in the repository after the worker of the copy died: a whole backup, or parts of a
 * backup.
 */
import { join } from 'node:path';
import type { BackupStop } from '../../postgres/backup-facts.ts';
import type { BackupRecord } from '../../repository/label-entry.ts';
import { findRecorded } from '../../repository/recorded-backup.ts';
import type { RepositoryBackup } from '../../repository/repository-backup.ts';
import { findLeftovers, removeLeftover } from '../../repository/unfinished-backup.ts';
import { readSmallFile } from '../../system/small-file.ts';

/**
 * Returns the result of pg_backup_stop and the damaged pages of a whole backup; undefined: the repository has no
 * whole backup of this request.
 */
export async function storedCopyStop(
  clusterDirectory: string,
  of: Pick<BackupRecord, 'id' | 'systemIdentifier' | 'startLsn' | 'timeline'>,
): Promise<(BackupStop & Pick<RepositoryBackup, 'damagedPages'>) | undefined> {
  const found = await findRecorded(clusterDirectory, { ...of, backupLabel: null });
  if (found === undefined) return undefined;
  const { meta } = found;
  const { stoppedAt, stopLsn, stopWal, damagedPages } = found.description;
  return {
    stoppedAt,
    stopLsn,
    stopWal,
    damagedPages,
    label: await readSmallFile(join(meta, 'backup_label')),
    tablespaceMap: await readSmallFile(join(meta, 'tablespace_map')).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    }),
  };
}

/**
 * Removes the parts of an unfinished backup, unless their writer is still alive, for example frozen. A living
 * writer removes the parts when the writer notices that the request has ended.
 */
export async function removeLeftoversOf(clusterDirectory: string, { id }: { id: number }): Promise<void> {
  for (const leftover of await findLeftovers(clusterDirectory))
    if (leftover.id === id && leftover.writerIsGone) await removeLeftover(clusterDirectory, leftover);
}
