/** Finds out what a restore writes, and where, and refuses what cannot be; nothing is written before that. */
import { join } from 'node:path';
import { crc32c } from '../postgres/crc32c.ts';
import { parseTablespaceMap } from '../postgres/tablespace-map.ts';
import { clusterOwner, type FileOwner } from '../extraction/cluster-owner.ts';
import { readChain, type ReadLink } from '../extraction/read-chain.ts';
import { placeTablespaces, refuseUnasked, type PlacedTablespace } from '../recovery/tablespace-placement.ts';
import type { BackupInventory } from '../repository/backup-inventory.ts';
import type { StoredBackup } from '../repository/catalog.ts';
import { backupDamaged } from '../repository/repository-errors.ts';
import { withChainLock } from '../repository/stored-chain.ts';
import { readSmallFile } from '../system/small-file.ts';
import { refuseDestination, type Destination } from './destination.ts';

/** The backup to restore, and the directories. */
export interface RestorePlaces {
  backup: StoredBackup;
  /** The new data directory, absolute. */
  directory: string;
  /** New locations of tablespaces, absolute, by OID. */
  moved: ReadonlyMap<string, string>;
  /** Whether the other tablespaces keep their locations if the restore runs as root. */
  asWere: boolean;
  /** The directory for pg_wal, absolute; undefined: in the data directory. */
  walDirectory?: string | undefined;
}

/** What a restore needs before it writes. */
export interface PreparedRestore {
  /** The links of which the backup is restored, and the backup as the last one. */
  chain: readonly ReadLink[];
  inventory: BackupInventory;
  owner: FileOwner | undefined;
  tablespaces: PlacedTablespace[];
  destination: Destination;
}

/** What a restore would write. */
export interface RestoreOutline {
  tablespaces: PlacedTablespace[];
  files: number;
  /** The size of the files; of a chain, what its links have together, which is more. */
  bytes: number;
}

/**
 * Reads the lists of the backup, and checks the directories. Called with the links of the backup, which are locked.
 * @throws HoldfastError
 */
export async function prepareRestore(
  places: RestorePlaces,
  links: readonly StoredBackup[],
): Promise<PreparedRestore> {
  const { backup, directory, walDirectory } = places;
  const chain = await readChain(links);
  const { inventory } = chain.at(-1) as ReadLink;
  const owner = clusterOwner(backup, inventory.frames);
  const tablespaces = await planTablespaces(places, inventory);
  const destination = { directory, tablespaces: tablespaces.filter(({ inside }) => !inside), walDirectory };
  await refuseDestination(destination, owner?.uid);
  return { chain, inventory, owner, tablespaces, destination };
}

/** What a restore would write. Refuses what the restore would refuse before it writes. @throws HoldfastError */
export async function outlineRestore(places: RestorePlaces): Promise<RestoreOutline> {
  return withChainLock(places.backup, async (links) => {
    const { chain, inventory, tablespaces } = await prepareRestore(places, links);
    const bytes = chain.reduce((sum, { backup }) => sum + backup.description.bytes, 0);
    return { tablespaces, files: inventory.manifest.files.size, bytes };
  });
}

/**
 * Decides the locations of the tablespaces. Uses tablespace_map beside the backup, because the copy inside of
 * the backup is extracted too late. backup_manifest has a checksum for both.
 */
async function planTablespaces(
  { backup, directory, moved, asWere }: RestorePlaces,
  { manifest }: BackupInventory,
): Promise<PlacedTablespace[]> {
  const { description, meta } = backup;
  const inManifest = manifest.files.get('tablespace_map');
  const file = join(meta, 'tablespace_map');
  const bytes = inManifest === undefined ? Buffer.alloc(0) : await readSmallFile(file).catch(() => undefined);
  if (bytes === undefined || (inManifest?.crc32c ?? 0) !== crc32c(bytes))
    throw backupDamaged(`"${file}" is not what was backed up`);
  const major = Number.parseInt(description.serverVersion, 10);
  const mapped = parseTablespaceMap(bytes, major);
  const placed = placeTablespaces({ mapped, from: description.dataDirectory, to: directory, moved });
  if (process.getuid?.() === 0) refuseUnasked(placed, { moved, asWere });
  return placed;
}
