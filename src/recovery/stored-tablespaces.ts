/** Reads the tablespaces of a backup from the tablespace_map beside the backup. */
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import { parseTablespaceMap, type MappedTablespace } from '../postgres/tablespace-map.ts';
import type { StoredBackup } from '../repository/catalog.ts';
import { backupDamaged } from '../repository/repository-errors.ts';
import { readSmallFile } from '../system/small-file.ts';

/**
 * The tablespaces of a backup; none where the file cannot be read: a restore compares the file with the manifest.
 * @throws HoldfastError `backup_damaged`
 */
export async function storedTablespaces({ meta, description }: StoredBackup): Promise<MappedTablespace[]> {
  const file = join(meta, 'tablespace_map');
  const map = await readSmallFile(file).catch(() => Buffer.alloc(0));
  try {
    return parseTablespaceMap(map, Number.parseInt(description.serverVersion, 10));
  } catch (error) {
    throw backupDamaged(`"${file}" cannot be used: ${messageOf(error)}`, error);
  }
}
