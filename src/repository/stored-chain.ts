/** The chain of a stored backup, and its locks. */
import { dirname } from 'node:path';
import { withReaderLock } from '../system/file-lock.ts';
import { BackupChains } from './backup-chain.ts';
import { readCatalogIn, type StoredBackup } from './catalog.ts';

/**
 * Returns the links of which a backup is restored, from the full copy to the backup; a full copy alone. The links of a
 * backup outside of the repository are looked for beside it.
 * @throws HoldfastError `backup_chain_broken`
 */
export async function storedChain(backup: StoredBackup): Promise<StoredBackup[]> {
  if (backup.description.incremental === undefined) return [backup];
  const catalog = await readCatalogIn(dirname(backup.directory));
  return new BackupChains(catalog).require(backup);
}

/**
 * Runs `work` while holding a shared lock of every link of a backup, so that an expiry removes none of them.
 * @throws HoldfastError `backup_chain_broken`, and the errors of withReaderLock()
 */
export async function withChainLock<T>(
  backup: StoredBackup,
  work: (links: StoredBackup[]) => Promise<T>,
): Promise<T> {
  const links = await storedChain(backup);
  return lockedFrom(0);

  function lockedFrom(index: number): Promise<T> {
    const link = links[index];
    return link === undefined ? work(links) : withReaderLock(link.meta, () => lockedFrom(index + 1));
  }
}
