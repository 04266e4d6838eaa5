/** The links of a chain with what is read of them before they are extracted. */
import { readInventory, type BackupInventory } from '../repository/backup-inventory.ts';
import { linkName } from '../repository/backup-chain.ts';
import type { StoredBackup } from '../repository/catalog.ts';
import { backupDamaged } from '../repository/repository-errors.ts';
import { supersededFiles } from './chain-layers.ts';
import type { ChainLayer } from './extraction-messages.ts';

/** One link. */
export interface ReadLink {
  backup: StoredBackup;
  inventory: BackupInventory;
  /** undefined: the only link. */
  layer: ChainLayer | undefined;
}

/**
 * Reads the manifests and the frame indexes of a chain, the full copy first.
 * @throws HoldfastError `backup_damaged`, `repository_unreadable`
 */
export async function readChain(links: readonly StoredBackup[]): Promise<ReadLink[]> {
  const read: Pick<ReadLink, 'backup' | 'inventory'>[] = [];
  for (const backup of links) read.push({ backup, inventory: await readInventory(backup) });
  if (read.length < 2) return read.map((link) => ({ ...link, layer: undefined }));
  const superseded = supersededOf(read);
  return read.map((link, index) => ({
    ...link,
    layer: {
      geometry: link.backup.description,
      superseded: superseded[index] ?? new Set(),
      isLast: index === read.length - 1,
      verifiedFrom: undefined,
    },
  }));
}

function supersededOf(read: readonly Pick<ReadLink, 'backup' | 'inventory'>[]): Set<string>[] {
  try {
    return supersededFiles(read.map(({ inventory }) => inventory.manifest));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const last = read.at(-1)?.backup;
    throw backupDamaged(`backup ${last && linkName(last)} cannot be restored: ${error.message}`, error);
  }
}
