/** Finds a backup's label: in the control database, or without it in the label directory. */
import { basename } from 'node:path';
import { storedLabel, withControl, type StoredLabel } from '../control/client.ts';
import type { ConnectOptions } from '../control/connection.ts';
import { HoldfastError, messageOf } from '../errors.ts';
import type { Backup } from './backup.ts';
import { findEntries, readEntry } from './label-entries.ts';

export interface Whereabouts {
  /** undefined: the database is not asked. */
  control: ConnectOptions | undefined;
  /** The label directory. */
  labels: string;
  /** To tell apart the entries of the label directory that have the same id. */
  cluster: string | undefined;
  latest: boolean;
}

/** @throws HoldfastError `label_not_found`, `label_ambiguous` */
export async function findBackup(id: number, where: Whereabouts): Promise<Backup> {
  let reason = 'the database was not asked';
  if (where.control !== undefined) {
    const answer = await askControl(id, where.control);
    if (typeof answer !== 'string') return answer;
    reason = answer;
  }

  const entries = await findEntries(where.labels, id, where.cluster);
  const newest = entries.toSorted((a, b) => basename(a).localeCompare(basename(b))).at(-1);
  if (newest === undefined) {
    throw new HoldfastError('failed', `no label of backup ${id}: ${reason}, and "${where.labels}" has no entry for it`, {
      code: 'label_not_found',
      hint: 'name the label directory of the worker with --from-labels',
    });
  }
  if (entries.length > 1 && !where.latest) {
    throw new HoldfastError('failed', `${entries.length} backups have the id ${id}: ${entries.join(', ')}`, {
      code: 'label_ambiguous',
      hint: 'ids repeat after the control database was restored: give --cluster or --latest, or "holdfast place" the directory itself',
    });
  }
  return readEntry(newest);
}

/** The backup, or why the database has nothing to offer. */
async function askControl(id: number, control: ConnectOptions): Promise<Backup | string> {
  let row: StoredLabel | undefined;
  try {
    row = await withControl(control, (db) => storedLabel(db, id));
  } catch (error) {
    return messageOf(error);
  }
  if (row === undefined) return `the control database knows no backup ${id}`;
  return backupOf(row) ?? `the control database has no label for it, as it is ${row.state}`;
}

function backupOf(row: StoredLabel): Backup | undefined {
  const { bytes, serverVersion, systemIdentifier, timeline, startedAt, startLsn, startWal, stopLsn, stopWal } = row;
  if (bytes === null || serverVersion === null || systemIdentifier === null || timeline === null) return undefined;
  if (startedAt === null || startLsn === null || startWal === null || stopLsn === null || stopWal === null) return undefined;
  return {
    description: {
      ...{ id: row.id, cluster: row.cluster, label: row.label },
      ...{ serverVersion, systemIdentifier, timeline, startLsn, startWal, stopLsn, stopWal },
      startedAt: startedAt.toISOString(),
      stoppedAt: row.stoppedAt?.toISOString() ?? '',
    },
    label: bytes,
    tablespaceMap: row.tablespaceMap,
    state: row.state,
    source: 'the control database',
  };
}
