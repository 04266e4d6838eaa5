/**
 * Restores a backup into an empty directory. What makes a data directory of it, pg_control, comes last, after every
 * file has been held against the manifest and is durable: what is damaged or unfinished never starts.
 */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { crc32c } from '../postgres/crc32c.ts';
import type { RequiredParameters } from '../postgres/required-parameters.ts';
import { parseTablespaceMap } from '../postgres/tablespace-map.ts';
import { fsyncDirectory } from '../system/durable-files.ts';
import { entryName } from '../repository/label-entry.ts';
import { removeLease, writeLease } from '../repository/lease.ts';
import { leaseFile } from '../repository/renew-lease.ts';
import { withReaderLock } from '../system/file-lock.ts';
import { addControlFile, addManifest, addSettings, addBackupWal, controlFile } from './add-files.ts';
import { ownershipOf } from '../recovery/owned-files.ts';
import { refuseDestination, removeNote, writeNote } from './destination.ts';
import { finishDirectories, handOver } from './directories.ts';
import { toBytePath, bytePathBelow } from '../system/byte-path.ts';
import { clusterOwner, type FileOwner } from '../extraction/cluster-owner.ts';
import { extract, type ExtractionOutcome } from '../extraction/extract.ts';
import { holdDestination, type HeldDestination } from './hold-destination.ts';
import { linkTablespaces } from './link-tablespaces.ts';
import { linkWal } from './link-wal.ts';
import { Flusher } from './make-durable.ts';
import type { RecoveryChoice } from '../recovery/recovery-settings.ts';
import { readInventory, type BackupInventory, type StoredBackup } from '../repository/catalog.ts';
import { placeTablespaces, refuseUnasked, type PlacedTablespace } from '../recovery/tablespace-placement.ts';
import { refuseWrongFiles } from '../recovery/backup-consistency.ts';

export interface RestoreOptions {
  backup: StoredBackup;
  /** The new data directory, absolute. */
  directory: string;
  /** Tablespaces that go elsewhere, by OID; absolute. */
  moved: ReadonlyMap<string, string>;
  /** The others go where they were, even as root. */
  asWere: boolean;
  /** Where pg_wal goes, absolute; undefined: into the data directory. */
  walDirectory?: string | undefined;
  recovery: RecoveryChoice;
  /** What a server needs on the way beyond what it needed when the backup was made. */
  required?: RequiredParameters | undefined;
  /** WAL segments that are taken from beside the backup, as the archive does not have them. */
  fromBackup: readonly string[];
  jobs: number;
  /** The lease that it leaves, so that expiry lets the WAL be that the server will read: where that is, and its name. */
  lease: { clusterDirectory: string; name: string } | undefined;
  onProgress: (done: number, expected: number) => void;
}

export interface Restored {
  /** Why there is no lease, though there should be. */
  leaseProblem: string | undefined;
  tablespaces: PlacedTablespace[];
  files: number;
  /** Of the files. */
  bytes: number;
}

const kept = [controlFile, 'PG_VERSION', 'backup_label', 'tablespace_map'];

/** @throws HoldfastError; what has been written by then is no data directory */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  return withReaderLock(options.backup.meta, () => restoreLocked(options));
}

async function restoreLocked(options: RestoreOptions): Promise<Restored> {
  const { backup, directory } = options;
  const inventory = await readInventory(backup);
  const owner = clusterOwner(backup, inventory.frames);
  const tablespaces = await planTablespaces(options, inventory);
  const outside = tablespaces.filter(({ inside }) => !inside);
  const destination = { directory, tablespaces: outside, walDirectory: options.walDirectory };
  await refuseDestination(destination, owner?.uid);
  const held = await holdDestination(destination);
  try {
    const what = `the restore of backup ${entryName(backup.description)}`;
    await writeNote(destination, { written: held.directory, what });
    if (isElsewhere(options)) await leave(options, held, false);
    const places = tablespaces.map((tablespace) => ({
      ...tablespace,
      written: writtenAt(tablespace, held, directory),
    }));
    const amount = await fill(
      { ...options, directory: held.directory, named: directory, wal: held.wal, owner, inventory },
      places,
    );
    return { tablespaces, ...amount, leaseProblem: await leave(options, held) };
  } catch (error) {
    await held.giveWalBack(options.fromBackup).catch(() => undefined);
    await giveUpLease(options);
    throw error;
  } finally {
    await held.release();
  }
}

/** The lock of the backup keeps an expiry from WAL where both are in one repository. */
function isElsewhere({ backup, lease }: RestoreOptions): boolean {
  return lease !== undefined && resolve(backup.directory, '../..') !== resolve(lease.clusterDirectory);
}

async function giveUpLease({ lease }: RestoreOptions): Promise<void> {
  if (lease === undefined) return;
  await removeLease(leaseFile(lease.clusterDirectory, lease.name)).catch(() => undefined); // it is over in a week
}

/** A repository that cannot be written to stops no restore. */
async function leave(
  { backup, directory, recovery, lease: wanted }: RestoreOptions,
  held: HeldDestination,
  isWhole = true,
): Promise<string | undefined> {
  if (wanted === undefined) return undefined;
  const { clusterDirectory, name } = wanted;
  const { id, systemIdentifier, timeline, startLsn } = backup.description;
  const targetTimeline = String(recovery.timeline ?? 'latest');
  const of = entryName(backup.description);
  const lease = { directory, backup: of, id, systemIdentifier, timeline, startLsn, targetTimeline };
  const place = { name, path: held.directory, isWhole };
  return writeLease(clusterDirectory, place, lease).then(() => undefined, messageOf);
}

/** The paths are those by which we write. */
interface Filling extends RestoreOptions {
  /** The data directory, as the user knows it. */
  named: string;
  /** Where pg_wal is, if not in the data directory. */
  wal: string | undefined;
  owner: FileOwner | undefined;
  inventory: BackupInventory;
}

type Place = PlacedTablespace & {
  /** By which path; one character a byte. */
  written: string;
};

function writtenAt({ oid, location }: PlacedTablespace, held: HeldDestination, directory: string): string {
  return (
    held.locations.get(oid) ?? `${toBytePath(held.directory)}${location.slice(toBytePath(directory).length)}`
  );
}

async function fill(filling: Filling, places: readonly Place[]): Promise<{ files: number; bytes: number }> {
  const { backup, directory, inventory, wal, walDirectory } = filling;
  const flusher = new Flusher();
  const { outcome, files, bytes } = await extractAll(filling, places, flusher);
  refuseWrongFiles(outcome.kept, inventory.manifest, backup);
  const owned = await ownershipOf(join(directory, 'PG_VERSION'));
  const roots = rootsOf(filling, places);
  await finishDirectories(outcome.directories, roots, owned);
  const major = Number.parseInt(backup.description.serverVersion, 10);
  await linkTablespaces({ directory, major }, places, owned);
  if (wal !== undefined && walDirectory !== undefined)
    await linkWal(directory, { written: wal, location: walDirectory }, owned);
  const all = wal === undefined ? roots : { ...roots, pg_wal: toBytePath(wal) };
  await addBackupWal(filling, owned);
  await addSettings(filling, outcome.kept.get(controlFile), owned);
  await addManifest(filling, owned);
  await flusher.finish(Object.values(all));

  await addControlFile(directory, outcome.kept.get(controlFile), owned);
  await removeNote({ directory });
  await handOver(all, owned);
  for (const root of Object.values(all)) await fsyncDirectory(bytePathBelow(root, ''));
  return { files, bytes };
}

/** From the map beside the backup: the one inside of it comes too late. The manifest knows both. */
async function planTablespaces(
  { backup, directory, moved, asWere }: RestoreOptions,
  { manifest }: BackupInventory,
): Promise<PlacedTablespace[]> {
  const { description, meta } = backup;
  const inManifest = manifest.files.get('tablespace_map');
  const file = join(meta, 'tablespace_map');
  const bytes = inManifest === undefined ? Buffer.alloc(0) : await readFile(file).catch(() => undefined);
  if (bytes === undefined || (inManifest?.crc32c ?? 0) !== crc32c(bytes)) {
    throw new HoldfastError('failed', `"${file}" is not what was backed up`, { code: 'backup_damaged' });
  }
  const major = Number.parseInt(description.serverVersion, 10);
  const mapped = parseTablespaceMap(bytes, major);
  const placed = placeTablespaces({ mapped, from: description.dataDirectory, to: directory, moved });
  if (process.getuid?.() === 0) refuseUnasked(placed, { moved, asWere });
  return placed;
}

/** Where the contents of each tar go. */
function rootsOf({ directory }: Filling, places: readonly Place[]): Record<string, string> {
  const ofTablespaces = places.map(({ oid, written }) => [`${oid}.tar.zst`, written]);
  return Object.fromEntries([['base.tar.zst', toBytePath(directory)], ...ofTablespaces]) as Record<
    string,
    string
  >;
}

async function extractAll(
  filling: Filling,
  places: readonly Place[],
  flusher: Flusher,
): Promise<{ outcome: ExtractionOutcome; files: number; bytes: number }> {
  const { backup, directory, named, jobs, owner, inventory, onProgress } = filling;
  const locations = new Map(places.map(({ oid, written }) => [oid, written]));
  let files = 0;
  let bytes = 0;
  const outcome = await extract({
    backup,
    ...inventory,
    jobs,
    roots: rootsOf(filling, places),
    kept,
    withheld: [controlFile],
    owner,
    onProgress,
    onPart(part, isComplete) {
      if (isComplete) files += 1;
      bytes += part.length;
      flusher.wrote(part, isComplete, () => placeOf(part.path, directory, locations));
    },
    onProblem(problem) {
      throw new HoldfastError('failed', `backup ${entryName(backup.description)} is damaged: ${problem}`, {
        code: 'backup_damaged',
        hint: `restore another backup; "${named}" holds no database, and may be emptied`,
      });
    },
  });
  return { outcome, files, bytes };
}

function placeOf(path: string, directory: string, locations: ReadonlyMap<string, string>): Buffer {
  const [, oid = '', rest = ''] = /^pg_tblspc\/(\d+)\/(.*)$/s.exec(path) ?? [];
  const location = locations.get(oid);
  return location === undefined ? bytePathBelow(toBytePath(directory), path) : bytePathBelow(location, rest);
}
