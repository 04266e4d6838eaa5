/** Leaves a lease for the server of a copy that another tool has restored: it is going to read WAL, as after a restore. */
import { messageOf } from '../errors.ts';
import { entryName } from '../repository/backup-name.ts';
import { readIdentity } from '../repository/cluster-identity.ts';
import { leaseName, writeLease } from '../repository/lease.ts';
import type { LabelledBackup } from './labelled-backup.ts';

/** A lease that was to be written. */
export interface CopyLease {
  name: string;
  /** Why the lease could not be written; undefined if it was. */
  problem: string | undefined;
}

/**
 * Writes the lease into the repository that has the WAL of the backup's system; undefined where there is none.
 * `directory`: the data directory, absolute.
 */
export async function leaseCopy(
  { description }: LabelledBackup,
  directory: string,
  clusterDirectory: string,
): Promise<CopyLease | undefined> {
  const { id, systemIdentifier, timeline, startLsn } = description;
  const identity = await readIdentity(clusterDirectory).catch(() => undefined);
  if (identity?.systemIdentifier !== systemIdentifier) return undefined;
  const backup = entryName(description);
  const name = leaseName(directory, backup);
  const lease = { directory, backup, id, systemIdentifier, timeline, startLsn, targetTimeline: 'latest' };
  const writing = writeLease(clusterDirectory, { name, path: directory }, lease);
  return { name, problem: await writing.then(() => undefined, messageOf) };
}
