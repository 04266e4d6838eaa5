/**
 * Brings the holds and keeps of the control database and those beside the backups together: what the database has is
 * written, what it has released is removed, and what it does not know, as it was restored, it is told.
 */
import { join } from 'node:path';
import { heldRequests, recallHold, type HeldRequest } from '../control/legal-holds.ts';
import type { Connection } from '../database/connection.ts';
import { controlIdentity } from '../control/control-identity.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { entryName } from '../repository/label-entry.ts';
import { withReaderLock } from '../system/file-lock.ts';
import {
  backupsDirectory,
  listBackupNames,
  metaDirectory,
  namesIn,
} from '../repository/repository-backup.ts';
import {
  heldElsewhere,
  removeHold,
  storedHolds,
  writeHold,
  type HeldBackup,
} from '../repository/stored-holds.ts';
import { decideHolds, whyUnknownHolds } from './decide-holds.ts';

export interface HoldsOptions {
  cluster: string;
  clusterDirectory: string;
  control: <T>(work: (db: Connection) => Promise<T>) => Promise<T>;
  log: Log;
}

/** Each that fails is tried again the next time; until then, what the database says counts as well. */
export async function bringHoldsTogether(options: HoldsOptions): Promise<void> {
  const { cluster, clusterDirectory, control } = options;
  const known = await control((db) => heldRequests(db, cluster));
  const here = (await namesIn(clusterDirectory)).length > 0;
  if (!here) return;
  // A copy of the control database that nobody has put in charge speaks for no backup.
  const { confirmed } = await control(controlIdentity);
  if (!confirmed) return;
  for (const backup of await heldHere(clusterDirectory, known)) await bringTogether(backup, known, options);
}

export interface HeldBackups extends HeldBackup {
  id: number;
}

/** The backups in the repository, and those elsewhere that something is or is to be written of. */
async function heldHere(clusterDirectory: string, known: readonly HeldRequest[]): Promise<HeldBackups[]> {
  // One whose description is damaged keeps what lies beside it.
  const stored = await listBackupNames(clusterDirectory, () => undefined);
  const elsewhere = [
    ...known.filter(({ method }) => method !== 'copy').map(heldBackupOf),
    ...(await heldElsewhere(clusterDirectory)).map((one) => ({ ...one, id: Number(one.name.split('-')[1]) })),
  ];
  const different = new Map(
    elsewhere.map((one) => [`${one.name} ${one.systemIdentifier} ${one.startLsn}`, one]),
  );
  return [...stored.map((backup) => ({ ...backup, name: entryName(backup) })), ...different.values()];
}

function heldBackupOf({ id, method, startedAt, systemIdentifier, startLsn }: HeldRequest): HeldBackups {
  const name = entryName({ startedAt: startedAt.toISOString(), id });
  return { id, name, method, systemIdentifier, startLsn };
}

async function bringTogether(
  backup: HeldBackups,
  known: readonly HeldRequest[],
  options: HoldsOptions,
): Promise<void> {
  const { clusterDirectory, cluster, control, log } = options;
  const failed = (error: unknown) =>
    log.warning('a hold could not be brought together with what lies beside its backup', {
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
        log.warning('the control database did not know what lies beside a backup, and knows it now', {
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

/** An expiry that is about to remove it has looked for holds either after this, or before and then this fails. */
function whileStaying(
  backup: HeldBackups,
  clusterDirectory: string,
  work: () => Promise<void>,
): Promise<void> {
  if (backup.method !== 'copy') return work();
  return withReaderLock(metaDirectory(join(backupsDirectory(clusterDirectory), backup.name)), work);
}

/** Why a backup stays by what lies beside it, where the database does not say the same. */
export async function unknownHolds(
  clusterDirectory: string,
  backup: HeldBackups,
  known: readonly HeldRequest[],
): Promise<string[]> {
  const found = await storedHolds(clusterDirectory, backup);
  return decideHolds(backup, heldRequestOf(backup, known), found).unknown.map(whyUnknownHolds);
}

/** What a database says of that very backup. */
export function heldRequestOf(
  backup: Omit<HeldBackups, 'name' | 'method'>,
  known: readonly HeldRequest[],
): HeldRequest | undefined {
  return known.find(
    ({ id, systemIdentifier, startLsn }) =>
      id === backup.id && systemIdentifier === backup.systemIdentifier && startLsn === backup.startLsn,
  );
}
