/**
 * Reads the label directory, `<labels>/<cluster>/<UTC start>-<id>/{backup_label,tablespace_map,backup.json}`,
 * which needs neither a database nor a worker. What it says is checked: people copy such directories about.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import type { Backup, BackupDescription } from './backup.ts';

/** The directories of the entries with that id, oldest first; of one cluster, or of all. */
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

/** @throws HoldfastError where it is not a complete entry */
export async function readEntry(directory: string): Promise<Backup> {
  const label = await readPart(directory, 'backup_label');
  const description = parseDescription(directory, await readPart(directory, 'backup.json'));
  const tablespaceMap = await readFile(join(directory, 'tablespace_map')).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    },
  );
  return { description, label, tablespaceMap, state: undefined, source: directory };
}

function isEntryOf(name: string, id: number): boolean {
  const [, entryId] = /^\d{8}T\d{6}Z-(\d+)(?:\.\d+)?$/.exec(name) ?? [];
  return entryId !== undefined && Number(entryId) === id;
}

/** None where there is no such directory; any other failure is one. */
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
    return await readFile(join(directory, name));
  } catch (error) {
    throw new HoldfastError(
      'failed',
      `"${directory}" is not an entry of a label directory: ${messageOf(error)}`,
      {
        code: 'label_not_found',
        hint: 'it has to hold backup_label and backup.json, and tablespace_map where the backup has one',
        cause: error,
      },
    );
  }
}

const types = {
  id: 'number',
  cluster: 'string',
  label: 'string',
  serverVersion: 'string',
  systemIdentifier: 'string',
  timeline: 'number',
  startedAt: 'string',
  stoppedAt: 'string',
  startLsn: 'string',
  startWal: 'string',
  stopLsn: 'string',
  stopWal: 'string',
} satisfies Record<keyof BackupDescription, string>;

function parseDescription(directory: string, bytes: Buffer): BackupDescription {
  const refuse = (reason: string) =>
    new HoldfastError('failed', `"${join(directory, 'backup.json')}" ${reason}`, { code: 'label_not_found' });
  let description: Record<string, unknown>;
  try {
    description = JSON.parse(bytes.toString('utf8')) as Record<string, unknown>;
  } catch (error) {
    throw refuse(`is not JSON: ${messageOf(error)}`);
  }
  for (const [key, type] of Object.entries(types)) {
    if (typeof description?.[key] !== type) throw refuse(`has no ${type} "${key}"`);
  }
  return description as unknown as BackupDescription;
}
