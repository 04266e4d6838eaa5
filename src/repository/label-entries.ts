/**
 * Finds and reads entries of the label directory, `<labels>/<cluster>/<UTC
 * start>-<id>/{backup_label,tablespace_map,backup.json}`. Needs neither a database nor a worker. The content is
 * checked, because people copy such directories.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { isSameLsn } from '../postgres/lsn.ts';
import { isEntryOf } from './backup-name.ts';
import { oddValue } from './description-values.ts';
import { parseDescription, type BackupRecord, type LabelEntry } from './label-entry.ts';
import { backupDamaged } from './repository-errors.ts';
import { readSmallFile } from '../system/small-file.ts';

/**
 * Finds the directories of the entries with the request's `id`, oldest first, in one cluster or, where `cluster` is
 * undefined, in all.
 */
export async function findEntries(
  labels: string,
  id: number,
  cluster: string | undefined,
): Promise<string[]> {
  const clusters = cluster === undefined ? (await namesIn(labels)).sort() : [cluster];
  const found: string[] = [];
  for (const name of clusters) {
    const entries = (await namesIn(join(labels, name))).filter((entry) => isEntryOf(entry, id)).sort();
    found.push(...entries.map((entry) => join(labels, name, entry)));
  }
  return found;
}

/**
 * Reads an entry, or the .meta directory of a backup in the repository.
 * @throws HoldfastError `label_not_found` where the entry is not complete, `backup_damaged` where the backup.json of
 * the repository is damaged
 */
export async function readEntry(directory: string): Promise<LabelEntry> {
  const label = await readPart(directory, 'backup_label');
  const file = join(directory, 'backup.json');
  const refuse = (reason: string): HoldfastError => {
    const message = `"${file}" ${reason}`;
    if (isMeta(directory)) return backupDamaged(message);
    return new HoldfastError('failed', message, { code: 'label_not_found', hint: completeEntry });
  };
  const description = parseDescription(await readPart(directory, 'backup.json'), refuse);
  const odd = oddValue(description);
  if (odd !== undefined) throw refuse(`has an impossible "${odd}"`);
  const tablespaceMap = await readSmallFile(join(directory, 'tablespace_map')).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    },
  );
  return { description, label, tablespaceMap };
}

const completeEntry = 'put backup_label and backup.json there, and tablespace_map where the backup has one';

/** Whether this is the .meta directory of a backup, and not an entry of a label directory. */
export function isMeta(directory: string): boolean {
  return directory.replace(/\/+$/, '').endsWith('.meta');
}

/** Returns no names where the directory does not exist. Every other failure is an error. */
async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw new HoldfastError(
      'failed',
      `the label directory "${directory}" cannot be read: ${messageOf(error)}`,
      {
        code: 'label_directory_unreadable',
        hint: 'run this as the user that the worker runs as',
        cause: error,
      },
    );
  }
}

async function readPart(directory: string, name: string): Promise<Buffer> {
  try {
    return await readSmallFile(join(directory, name));
  } catch (error) {
    throw new HoldfastError(
      'failed',
      `"${directory}" is not an entry of a label directory: ${messageOf(error)}`,
      {
        code: 'label_not_found',
        hint: completeEntry,
        cause: error,
      },
    );
  }
}

/**
 * Finds the entry of a backup by its system identifier and start LSN, because ids may repeat after a restore of the
 * control database. Returns undefined where there is no such entry.
 */
export async function findEntryOf(
  labels: string,
  backup: Pick<BackupRecord, 'id' | 'cluster' | 'systemIdentifier' | 'startLsn'>,
): Promise<LabelEntry | undefined> {
  for (const directory of await findEntries(labels, backup.id, backup.cluster)) {
    const entry = await readEntry(directory).catch(() => undefined);
    if (entry === undefined) continue;
    const { systemIdentifier, startLsn } = entry.description;
    if (systemIdentifier === backup.systemIdentifier && isSameLsn(startLsn, backup.startLsn)) return entry;
  }
  return undefined;
}
