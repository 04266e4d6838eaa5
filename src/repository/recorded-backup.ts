/**
 * Tells whether a backup in the repository is the one that a request has made. Ids repeat after a restore of the control
 * database, a clone of a server has the same system identifier and LSNs, and the name has the clock of the worker's host. So
 * all that the request has recorded of the backup is compared.
 */
import { basename, join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { isSameLsn } from '../postgres/lsn.ts';
import { backupIdIn, isEntryOf } from './backup-name.ts';
import { listedNames, readCatalog, type StoredBackup } from './catalog.ts';
import { isUnreadable } from './repository-errors.ts';
import type { RepositoryBackup } from './repository-backup.ts';
import { readSmallFile } from '../system/small-file.ts';

/** What the row of a request has recorded of the backup. */
export interface RecordedBackup {
  id: number;
  systemIdentifier: string;
  startLsn: string;
  /** null: not recorded. */
  timeline: number | null;
  /** backup_label, with the time of the start; null: not recorded. */
  backupLabel: string | null;
}

type Described = Pick<RepositoryBackup, 'id' | 'systemIdentifier' | 'startLsn' | 'timeline'>;

/** Whether the backup is that of the request. `label`: the backup_label beside it; undefined: not known. */
export function isRecorded(backup: Described, label: string | undefined, recorded: RecordedBackup): boolean {
  const { id, systemIdentifier, startLsn, timeline, backupLabel } = recorded;
  return (
    backup.id === id &&
    backup.systemIdentifier === systemIdentifier &&
    isSameLsn(backup.startLsn, startLsn) &&
    backup.timeline === (timeline ?? backup.timeline) &&
    (backupLabel === null || label === undefined || isSamePoint(backupLabel, label))
  );
}

/** Whether two backup labels agree. The line LABEL is ignored, because its text may be in another encoding. */
function isSamePoint(a: string, b: string): boolean {
  const lines = (text: string) => text.split('\n').filter((line) => !line.startsWith('LABEL:'));
  return lines(a).join('\n').trim() === lines(b).join('\n').trim();
}

/** Returns the backup_label beside a stored backup; undefined where there is none. */
export async function labelBeside({ meta }: Pick<StoredBackup, 'meta'>): Promise<string | undefined> {
  return readSmallFile(join(meta, 'backup_label')).then(
    (bytes) => bytes.toString('latin1'),
    () => undefined,
  );
}

/**
 * Finds the backup of a request in the repository; undefined where there is none.
 * @throws HoldfastError `repository_unreadable` where a backup that cannot be read may be the one
 */
export async function findRecorded(
  clusterDirectory: string,
  recorded: RecordedBackup,
): Promise<StoredBackup | undefined> {
  const { backups, damaged } = await readCatalog(clusterDirectory);
  for (const backup of backups)
    if (isRecorded(backup.description, await labelBeside(backup), recorded)) return backup;
  // A damaged backup does not count.
  for (const { error } of damaged) if (isUnreadable(error)) throw error;
  return undefined;
}

/**
 * Finds the backup of a request, which has to be in the repository. `name`: the name that the backup has to have; null:
 * any.
 * @throws HoldfastError `no_such_backup`, `repository_unreadable`
 */
export async function requireRecorded(
  clusterDirectory: string,
  recorded: RecordedBackup,
  name: string | null,
): Promise<StoredBackup> {
  const { id } = recorded;
  const found = await findRecorded(clusterDirectory, recorded);
  const its = found && basename(found.directory);
  if (found !== undefined && (name === null || name === its)) return found;
  const strangers = (await listedNames(clusterDirectory)).filter((one) => isEntryOf(one, id) && one !== its);
  const others = strangers.length === 0 ? '' : `; ${strangers.join(', ')} is another backup with that id`;
  const what = found === undefined ? 'does not have the backup' : `has ${its}, not ${name}, as the backup`;
  throw new HoldfastError('failed', `"${clusterDirectory}" ${what} of request ${id}${others}`, {
    code: 'no_such_backup',
    hint: `type "holdfast status ${id}" to see whether it has expired, and "holdfast restore --list" to see what there is`,
  });
}

/**
 * Returns the recorded backups that are not in the repository. A backup that is damaged or cannot be read is there, by its
 * id: another message says what is wrong with it.
 */
export async function missingFrom(
  clusterDirectory: string,
  recorded: readonly RecordedBackup[],
): Promise<RecordedBackup[]> {
  if (recorded.length === 0) return [];
  const { backups, damaged } = await readCatalog(clusterDirectory);
  const unclear = new Set(damaged.map(({ name }) => backupIdIn(name)));
  const missing: RecordedBackup[] = [];
  for (const one of recorded) {
    const alike = backups.filter(({ description }) => isRecorded(description, undefined, one));
    const labels = await Promise.all(alike.map(labelBeside));
    const isThere = alike.some(({ description }, at) => isRecorded(description, labels[at], one));
    if (!isThere && !unclear.has(one.id)) missing.push(one);
  }
  return missing;
}
