/**
 * Synchronizes the holds in the control database with the hold files beside the backups. Holds of the control
 * database are written, released holds are removed, and holds that a restored control database does not know
 * are added to the control database.
 */
import { join } from 'node:path';
import { heldRequests, recallHold, type HeldRequest } from '../control/legal-holds.ts';
import type { Connection } from '../database/connection.ts';
import { controlIdentity } from '../control/control-identity.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { normalLsn } from '../postgres/lsn.ts';
import { backupIdIn, entryName } from '../repository/backup-name.ts';
import { BackupChains, linkName } from '../repository/backup-chain.ts';
import { readCatalog, type StoredBackup } from '../repository/catalog.ts';
import { withReaderLock } from '../system/file-lock.ts';
import { backupsDirectory, metaDirectory, namesIn } from '../repository/repository-backup.ts';
import { heldElsewhere, removeHold, storedHolds, writeHold } from '../repository/stored-holds.ts';
import { decideHolds, heldBy, whyUnknownHolds, type HoldableBackup } from './decide-holds.ts';

/** The options of bringHoldsTogether(). */
export interface HoldsOptions {
  cluster: string;
  clusterDirectory: string;
  control: <T>(work: (db: Connection) => Promise<T>) => Promise<T>;
  log: Log;
}

/**
 * Synchronizes the holds of all backups of a cluster. A hold that fails is tried again the next time; until
 * then, the holds of the control database count as well.
 */
export async function bringHoldsTogether(options: HoldsOptions): Promise<void> {
  const { cluster, clusterDirectory, control } = options;
  const known = await control((db) => heldRequests(db, cluster));
  const here = (await namesIn(clusterDirectory)).length > 0;
  if (!here) return;
  // A copy of the control database that no operator has confirmed must not decide about holds.
  const { confirmed } = await control(controlIdentity);
  if (!confirmed) return;
  for (const held of await heldHere(clusterDirectory, known)) await bringTogether(held, known, options);
}

/** A backup, and the incremental copies that cannot be restored without it. */
interface HoldablePlace {
  backup: HoldableBackup;
  children: HoldableBackup[];
}

/** The backups in the repository, and the backups elsewhere that have hold files or holds. */
async function heldHere(clusterDirectory: string, known: readonly HeldRequest[]): Promise<HoldablePlace[]> {
  // A backup with a damaged description keeps its hold files.
  const catalog = await readCatalog(clusterDirectory);
  const chains = new BackupChains(catalog);
  const elsewhere = [
    ...known.filter(({ method }) => method !== 'copy').map(heldBackupOf),
    ...(await heldElsewhere(clusterDirectory)).map((one) => ({ ...one, id: backupIdIn(one.name) ?? 0 })),
  ];
  const different = new Map(
    elsewhere.map((one) => [`${one.name} ${one.systemIdentifier} ${normalLsn(one.startLsn)}`, one]),
  );
  return [
    ...catalog.backups.map((backup) => ({
      backup: storedBackupOf(backup),
      children: chains.standingOn(linkName(backup)).map(storedBackupOf),
    })),
    ...[...different.values()].map((backup) => ({ backup, children: [] })),
  ];
}

function storedBackupOf({ description }: StoredBackup): HoldableBackup {
  const { id, method, systemIdentifier, startLsn } = description;
  return { id, name: entryName(description), method, systemIdentifier, startLsn };
}

function heldBackupOf({ id, method, startedAt, systemIdentifier, startLsn }: HeldRequest): HoldableBackup {
  const name = entryName({ startedAt: startedAt.toISOString(), id });
  return { id, name, method, systemIdentifier, startLsn };
}

async function bringTogether(
  { backup, children }: HoldablePlace,
  known: readonly HeldRequest[],
  options: HoldsOptions,
): Promise<void> {
  const { clusterDirectory, cluster, control, log } = options;
  const failed = (error: unknown) =>
    log.warning('the holds of a backup could not be synchronized with its hold files', {
      cluster,
      backup: backup.name,
      reason: messageOf(error),
    });
  try {
    const found = await storedHolds(clusterDirectory, backup);
    const { write, remove, unknown } = decideHolds(backup, known, found, children);
    for (const { hold } of unknown) {
      if (hold === undefined) continue;
      const { id, name } = heldBy(hold, backup);
      const isNew = await control((db) => recallHold(db, { ...hold, id }));
      if (isNew)
        log.warning('added a hold to the control database, which only a file beside the backup had', {
          cluster,
          backup: name,
          kind: hold.kind,
          placed_by: hold.by,
        });
    }
    if (write.length === 0 && remove.length === 0) return;
    await whileStaying(backup, clusterDirectory, async () => {
      for (const hold of write) await writeHold(clusterDirectory, backup, hold);
      for (const { path } of remove) await removeHold(path);
    });
  } catch (error) {
    failed(error);
  }
}

/**
 * Does the work while the backup stays in place. A concurrent expiry looks for hold files after the work; or
 * the expiry has looked before, and the work fails.
 */
function whileStaying(
  backup: HoldableBackup,
  clusterDirectory: string,
  work: () => Promise<void>,
): Promise<void> {
  if (backup.method !== 'copy') return work();
  return withReaderLock(metaDirectory(join(backupsDirectory(clusterDirectory), backup.name)), work);
}

/** Why a backup stays according to hold files that the control database does not know. */
export async function unknownHolds(
  clusterDirectory: string,
  { backup, children }: HoldablePlace,
  known: readonly HeldRequest[],
): Promise<string[]> {
  const found = await storedHolds(clusterDirectory, backup);
  return decideHolds(backup, known, found, children).unknown.map(whyUnknownHolds);
}
