/**
 * Finds the backup label of a backup: in the control database, in the label directory, or in the repository.
 */
import { basename } from 'node:path';
import { storedLabel, withControl, type StoredLabel } from '../control/control-client.ts';
import type { ConnectOptions } from '../database/connection.ts';
import { HoldfastError, messageOf } from '../errors.ts';
import { entryOfBackup, findBackupEntries } from '../repository/catalog.ts';
import { findEntries, isMeta, readEntry } from '../repository/label-entries.ts';
import type { BackupRecord } from '../repository/label-entry.ts';
import { withReaderLock } from '../system/file-lock.ts';
import type { LabelledBackup } from './labelled-backup.ts';

/** Where to look for a label. */
export interface LabelSources {
  /** undefined: the control database is not used. */
  control: ConnectOptions | undefined;
  /** The label directory; undefined: no label directory is used. */
  labels: string | undefined;
  /** undefined: no repository is used. */
  repository?: string | undefined;
  /** The cluster, to distinguish entries with the same ID; undefined: any cluster. */
  cluster: string | undefined;
  /** Whether the newest of several entries with the same ID is taken. */
  latest: boolean;
}

/**
 * Finds the label of the backup with this ID.
 * @throws HoldfastError `label_not_found`, `label_ambiguous`, `backup_damaged`
 */
export async function findLabel(id: number, where: LabelSources): Promise<LabelledBackup> {
  let reason = 'the database was not asked';
  if (where.control !== undefined) {
    const answer = await askControl(id, where.control);
    if (typeof answer !== 'string') return answer;
    reason = answer;
  }

  const entries = await findAll(id, where);
  const newest = entries.toSorted((a, b) => basename(a).localeCompare(basename(b))).at(-1);
  if (newest === undefined) {
    throw new HoldfastError(
      'failed',
      `no label of backup ${id}: ${reason}, and ${whoHasNone(where)} for it`,
      {
        code: 'label_not_found',
        hint: 'name the label directory of the worker with --from-labels, or its repository with --from-repository',
      },
    );
  }
  if (entries.length > 1 && !where.latest) {
    throw new HoldfastError('failed', `${entries.length} backups have the id ${id}: ${entries.join(', ')}`, {
      code: 'label_ambiguous',
      hint: 'give --cluster or --latest, or name the directory ("holdfast place DIR"): ids repeat after a restore of the control database',
    });
  }
  return labelIn(newest);
}

/**
 * All entries with this ID. A backup that the worker has copied is in the label directory and in the
 * repository, and counts once.
 */
async function findAll(id: number, { labels, repository, cluster }: LabelSources): Promise<string[]> {
  const inLabels = labels === undefined ? [] : await findEntries(labels, id, cluster);
  const known = new Set(inLabels.map((entry) => entry.split('/').slice(-2).join('/')));
  const stored = repository === undefined ? [] : await findBackupEntries(repository, id, cluster);
  const others = stored.filter((entry) => {
    const [of = '', , name = ''] = entry.split('/').slice(-3);
    return !known.has(`${of}/${name.replace(/\.meta$/, '')}`);
  });
  return [...inLabels, ...others];
}

function whoHasNone({ labels, repository }: LabelSources): string {
  const places = [labels, repository].filter((place) => place !== undefined).map((place) => `"${place}"`);
  return places.length === 1 ? `${places[0]} has no entry` : `neither ${places.join(' nor ')} has an entry`;
}

/**
 * Reads a label from a directory: from an entry of a label directory, or from a backup in a repository. The
 * directory may have been moved.
 */
export async function labelIn(directory: string): Promise<LabelledBackup> {
  const entry = (await entryOfBackup(directory)) ?? directory;
  const read = () => readEntry(entry);
  const found = await (isMeta(entry) ? withReaderLock(entry, read) : read());
  return { ...found, state: undefined, source: entry };
}

/** The backup; or the reason why the control database does not have the label. */
async function askControl(id: number, control: ConnectOptions): Promise<LabelledBackup | string> {
  let row: StoredLabel | undefined;
  try {
    row = await withControl(control, (db) => storedLabel(db, id));
  } catch (error) {
    return messageOf(error);
  }
  if (row === undefined) return `the control database knows no backup ${id}`;
  return backupOf(row) ?? `the control database has no label for it, as it is ${row.state}`;
}

function backupOf(row: StoredLabel): LabelledBackup | undefined {
  const { bytes, tablespaceMap, state, ...columns } = row;
  const missing = Object.values(columns).includes(null);
  if (bytes === null || missing) return undefined;
  const description = {
    ...columns,
    startedAt: iso(row.startedAt),
    stoppedAt: iso(row.stoppedAt),
  } as BackupRecord;
  return { description, label: bytes, tablespaceMap, state, source: 'the control database' };
}

function iso(time: Date | null): string | null {
  return time === null ? null : time.toISOString();
}
