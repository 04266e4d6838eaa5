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
import { backupIdIn, entryName } from '../repository/backup-name.ts';
import { readCatalog } from '../repository/catalog.ts';
import { withReaderLock } from '../system/file-lock.ts';
import { backupsDirectory, metaDirectory, namesIn } from '../repository/repository-backup.ts';
import {
  heldElsewhere,
  removeHold,
  storedHolds,
  writeHold,
  type HeldBackup,
} from '../repository/stored-holds.ts';
import { decideHolds, whyUnknownHolds } from './decide-holds.ts';

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
  for (const backup of await heldHere(clusterDirectory, known)) await bringTogether(backup, known, options);
}

/** A backup that may have holds. */
export interface HoldableBackup extends HeldBackup {
  id: number;
}

/** The backups in the repository, and the backups elsewhere that have hold files or holds. */
async function heldHere(clusterDirectory: string, known: readonly HeldRequest[]): Promise<HoldableBackup[]> {
  // A backup with a damaged description keeps its hold files.
  const { backups: stored } = await readCatalog(clusterDirectory);
  const elsewhere = [
    ...known.filter(({ method }) => method !== 'copy').map(heldBackupOf),
    ...(await heldElsewhere(clusterDirectory)).map((one) => ({ ...one, id: backupIdIn(one.name) ?? 0 })),
  ];
  const different = new Map(
    elsewhere.map((one) => [`${one.name} ${one.systemIdentifier} ${one.startLsn}`, one]),
  );
  return [
    ...stored.map(({ description }) => ({ ...description, name: entryName(description) })),
    ...different.values(),
  ];
}

function heldBackupOf({ id, method, startedAt, systemIdentifier, startLsn }: HeldRequest): HoldableBackup {
  const name = entryName({ startedAt: startedAt.toISOString(), id });
  return { id, name, method, systemIdentifier, startLsn };
}

async function bringTogether(
  backup: HoldableBackup,
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
    const { write, remove, unknown } = decideHolds(backup, heldRequestOf(backup, known), found);
    for (const { hold } of unknown) {
      if (hold === undefined) continue;
      const isNew = await control((db) => recallHold(db, { ...hold, id: backup.id }));
      if (isNew)
        log.warning('added a hold to the control database, which only a file beside the backup had', {
          cluster,
          backup: backup.name,
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
  backup: HoldableBackup,
  known: readonly HeldRequest[],
): Promise<string[]> {
  const found = await storedHolds(clusterDirectory, backup);
  return decideHolds(backup, heldRequestOf(backup, known), found).unknown.map(whyUnknownHolds);
}

/** The record of the same backup in the control database; undefined if there is none. */
export function heldRequestOf(
  backup: Omit<HoldableBackup, 'name' | 'method'>,
  known: readonly HeldRequest[],
): HeldRequest | undefined {
  return known.find(
    ({ id, systemIdentifier, startLsn }) =>
      id === backup.id && systemIdentifier === backup.systemIdentifier && startLsn === backup.startLsn,
  );
}
