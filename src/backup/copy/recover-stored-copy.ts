/** What a copy whose worker died has left in the repository: a whole backup, or pieces of one. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BackupStop } from '../../control/backup-requests.ts';
import { entryName } from '../../repository/label-entry.ts';
import {
  backupsDirectory,
  findStoredBackup,
  metaDirectory,
  type RepositoryBackup,
} from '../../repository/repository-backup.ts';
import { findLeftovers, removeLeftover } from '../../repository/unfinished-backup.ts';

/** What pg_backup_stop returned for it, and its damage; undefined where there is no whole backup. */
export async function storedCopyStop(
  clusterDirectory: string,
  of: { id: number; systemIdentifier: string; startLsn: string },
): Promise<(BackupStop & Pick<RepositoryBackup, 'damagedPages'>) | undefined> {
  const backup = await findStoredBackup(clusterDirectory, of);
  if (backup === undefined) return undefined;
  const meta = metaDirectory(join(backupsDirectory(clusterDirectory), entryName(backup)));
  return {
    stopLsn: backup.stopLsn,
    stopWal: backup.stopWal,
    damagedPages: backup.damagedPages,
    label: await readFile(join(meta, 'backup_label')),
    tablespaceMap: await readFile(join(meta, 'tablespace_map')).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    }),
  };
}

/** Unless their writer is still there, frozen perhaps: then he removes them, when he finds out. */
export async function removeLeftoversOf(clusterDirectory: string, { id }: { id: number }): Promise<void> {
  for (const leftover of await findLeftovers(clusterDirectory))
    if (leftover.id === id && leftover.writerIsGone) await removeLeftover(clusterDirectory, leftover);
}
