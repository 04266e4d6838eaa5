/**
 * Restores a backup into an empty directory. pg_control is written last, after every file has been compared
 * with the manifest and flushed to disk. So a server never starts on a damaged or unfinished restore.
 */
import { join, resolve } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import type { RequiredParameters } from '../postgres/required-parameters.ts';
import { pathOfIncremental } from '../postgres/incremental-file.ts';
import { fsyncDirectory } from '../system/durable-files.ts';
import { entryName } from '../repository/backup-name.ts';
import { removeLease, writeLease } from '../repository/lease.ts';
import { leaseFile } from '../repository/lease-file.ts';
import {
  addBackupWal,
  addControlFile,
  addManifest,
  addSettings,
  addWholeLabel,
  controlFile,
} from './add-files.ts';
import { ownershipOf } from '../recovery/owned-files.ts';
import { removeNote, writeNote } from './destination.ts';
import { finishDirectories, handOver } from './directories.ts';
import { toBytePath, bytePathBelow } from '../system/byte-path.ts';
import type { FileOwner } from '../extraction/cluster-owner.ts';
import { extract, type ExtractionOutcome } from '../extraction/extract.ts';
import type { ReadLink } from '../extraction/read-chain.ts';
import { holdDestination, type HeldDestination } from './hold-destination.ts';
import { linkTablespaces } from './link-tablespaces.ts';
import { linkWal } from './link-wal.ts';
import { Flusher } from './make-durable.ts';
import { prepareRestore, type RestorePlaces } from './prepare-restore.ts';
import type { RecoveryChoice } from '../recovery/recovery-settings.ts';
import type { BackupInventory } from '../repository/backup-inventory.ts';
import { withChainLock } from '../repository/stored-chain.ts';
import type { StoredBackup } from '../repository/catalog.ts';
import type { PlacedTablespace } from '../recovery/tablespace-placement.ts';
import { refuseWrongFiles } from '../recovery/backup-consistency.ts';

/** The backup to restore, the directories, and the recovery of the restored server. */
export interface RestoreOptions extends RestorePlaces {
  recovery: RecoveryChoice;
  /** Settings of the primary in the WAL after the backup; undefined if no setting has changed since. */
  required?: RequiredParameters | undefined;
  /** WAL segments that only the backup has, in its own pg_wal directory. */
  fromBackup: readonly string[];
  /** Number of extraction threads. */
  jobs: number;
  /**
   * The lease that the restore creates, so that expiry keeps the WAL that the server will read; undefined: no
   * lease.
   */
  lease: { clusterDirectory: string; name: string } | undefined;
  /** Reports the number of bytes done and expected. */
  onProgress: (done: number, expected: number) => void;
}

/** The result of a restore. */
export interface Restored {
  /** Why the lease could not be written; undefined if the lease was written or not wanted. */
  leaseProblem: string | undefined;
  tablespaces: PlacedTablespace[];
  files: number;
  /** Total size of the files. */
  bytes: number;
}

/** Files whose content is kept in memory during extraction. */
const kept = [controlFile, 'PG_VERSION', 'backup_label', 'tablespace_map'];

/**
 * Restores a backup. After an error, the files written so far are not a data directory.
 * @throws HoldfastError
 */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  return withChainLock(options.backup, (links) => restoreLocked(options, links));
}

async function restoreLocked(options: RestoreOptions, links: readonly StoredBackup[]): Promise<Restored> {
  const { backup, directory } = options;
  const { chain, inventory, owner, tablespaces, destination } = await prepareRestore(options, links);
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
      { ...options, directory: held.directory, named: directory, wal: held.wal, owner, inventory, chain },
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

/**
 * Whether the backup is outside of the repository that gets the lease. Within the same repository, the lock
 * of the backup keeps expiry from removing WAL.
 */
function isElsewhere({ backup, lease }: RestoreOptions): boolean {
  return lease !== undefined && resolve(backup.directory, '../..') !== resolve(lease.clusterDirectory);
}

async function giveUpLease({ lease }: RestoreOptions): Promise<void> {
  if (lease === undefined) return;
  // A lease that is left behind ends after a week.
  await removeLease(leaseFile(lease.clusterDirectory, lease.name)).catch(() => undefined);
}

/**
 * Writes the lease. Returns the problem instead of an error, because a restore does not fail if the
 * repository is not writable.
 */
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

/** A restore in progress. Paths are those under which the directories are written. */
interface Filling extends RestoreOptions {
  /** The data directory as the user named the directory. */
  named: string;
  /** The path under which pg_wal is written; undefined if pg_wal is in the data directory. */
  wal: string | undefined;
  owner: FileOwner | undefined;
  inventory: BackupInventory;
  /** The links of which the backup is restored, and the backup as the last one. */
  chain: readonly ReadLink[];
}

type Place = PlacedTablespace & {
  /** The path under which the tablespace is written; one character per byte. */
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
  // The manifest of an incremental copy does not describe the files that its chain is restored to.
  if (filling.chain.length === 1) await addManifest(filling, owned);
  else await addWholeLabel(filling, outcome.kept.get('backup_label'), owned);
  await flusher.finish(Object.values(all));

  await addControlFile(directory, outcome.kept.get(controlFile), owned);
  await removeNote({ directory });
  await handOver(all, owned);
  for (const root of Object.values(all)) await fsyncDirectory(bytePathBelow(root, ''));
  return { files, bytes };
}

/** The directory for the content of each tar. */
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
  const { directory, named, jobs, owner, chain, onProgress } = filling;
  const locations = new Map(places.map(({ oid, written }) => [oid, written]));
  const isChain = chain.length > 1;
  const sizes = chain.map(({ inventory }) => inventory.frames.reduce((sum, { size }) => sum + size, 0));
  const expected = sizes.reduce((sum, size) => sum + size, 0);
  let files = 0;
  let bytes = 0;
  let before = 0;
  let outcome: ExtractionOutcome = { kept: new Map(), directories: [] };
  for (const [index, { backup, inventory, layer }] of chain.entries()) {
    files = 0;
    const done = before;
    outcome = await extract({
      backup,
      ...inventory,
      jobs,
      roots: rootsOf(filling, places),
      kept,
      withheld: isChain ? [controlFile, 'backup_label'] : [controlFile],
      owner,
      layer,
      onProgress: (extracted) => onProgress(done + extracted, expected),
      onPart(part, isComplete) {
        if (isComplete) files += 1;
        if (layer?.superseded.has(part.path) === true) return;
        bytes += part.length;
        const path = (isChain ? pathOfIncremental(part.path) : undefined) ?? part.path;
        flusher.wrote(part, isComplete, () => placeOf(path, directory, locations));
      },
      onProblem(problem) {
        const damaged = `backup ${entryName(backup.description)} is damaged: ${problem}`;
        const { description } = filling.backup;
        const why = index === chain.length - 1 ? damaged : `${damaged}; ${entryName(description)} needs it`;
        throw new HoldfastError('failed', why, {
          code: 'backup_damaged',
          hint: `restore another backup; "${named}" holds no database, and may be emptied`,
        });
      },
    });
    before += sizes[index] ?? 0;
  }
  return { outcome, files, bytes };
}

function placeOf(path: string, directory: string, locations: ReadonlyMap<string, string>): Buffer {
  const [, oid = '', rest = ''] = /^pg_tblspc\/(\d+)\/(.*)$/s.exec(path) ?? [];
  const location = locations.get(oid);
  return location === undefined ? bytePathBelow(toBytePath(directory), path) : bytePathBelow(location, rest);
}
