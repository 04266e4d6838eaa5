/**
 * The label directory: what backup_label and tablespace_map were, kept outside of the database that they
 * describe. An entry is written under a temporary name, synced, renamed into place and never touched again.
 *
 *   <labels>/<cluster>/<UTC start>-<id>/{backup_label,tablespace_map,backup.json}
 */
import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';

/** What backup.json says. LSNs are text, times ISO 8601 in UTC. */
export interface BackupDescription {
  id: number;
  cluster: string;
  label: string;
  serverVersion: string;
  systemIdentifier: string;
  timeline: number;
  startedAt: string;
  stoppedAt: string;
  startLsn: string;
  startWal: string;
  stopLsn: string;
  stopWal: string;
}

export interface LabelFiles {
  label: Buffer;
  /** null: there is none, and no such file must exist. */
  tablespaceMap: Buffer | null;
}

export interface LabelEntry extends LabelFiles {
  description: BackupDescription;
}

const directoryMode = 0o700;
const fileMode = 0o600;

/** Writes, syncs and removes a file, as the label will be written. @throws HoldfastError where that fails */
export async function testLabelDirectory(labels: string, cluster: string): Promise<void> {
  const directory = join(labels, cluster);
  const probe = join(directory, `.test-${randomUUID()}`);
  try {
    await mkdir(directory, { recursive: true, mode: directoryMode });
    await writeSynced(probe, Buffer.alloc(16_384, 'holdfast '));
  } catch (error) {
    throw new HoldfastError(
      'failed',
      `the label directory "${directory}" cannot be written: ${messageOf(error)}`,
      {
        code: 'label_directory_unwritable',
        hint: 'make room in it or make it writable for the worker, or name another ([worker] labels, HOLDFAST_LABELS)',
        cause: error,
      },
    );
  } finally {
    await rm(probe, { force: true }).catch(() => undefined);
  }
}

/** Returns the entry's directory. */
export async function writeLabelEntry(labels: string, entry: LabelEntry): Promise<string> {
  const { cluster, id, startedAt } = entry.description;
  const parent = join(labels, cluster);
  const name = `${startedAt.replace(/[-:]|\.\d+/g, '')}-${id}`;
  const temporary = join(parent, `.writing-${name}-${process.pid}`);
  try {
    await mkdir(parent, { recursive: true, mode: directoryMode });
    await rm(temporary, { recursive: true, force: true });
    await mkdir(temporary, { mode: directoryMode });
    await writeSynced(join(temporary, 'backup_label'), entry.label);
    if (entry.tablespaceMap !== null)
      await writeSynced(join(temporary, 'tablespace_map'), entry.tablespaceMap);
    await writeSynced(
      join(temporary, 'backup.json'),
      Buffer.from(`${JSON.stringify(entry.description, null, 2)}\n`),
    );
    await syncDirectory(temporary);
    const directory = await renameToFree(temporary, join(parent, name));
    await syncDirectory(parent);
    return directory;
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    throw error;
  }
}

/** The entry of that backup, as its start identifies it: an id alone may repeat after a restore. */
export async function findLabelEntry(
  labels: string,
  cluster: string,
  backup: { id: number; systemIdentifier: string; startLsn: string },
): Promise<LabelEntry | undefined> {
  const parent = join(labels, cluster);
  const names = await readdir(parent).catch(() => []);
  for (const name of names.filter((candidate) =>
    new RegExp(`^[0-9TZ]+-${backup.id}(\\.\\d+)?$`).test(candidate),
  )) {
    const entry = await readLabelEntry(join(parent, name)).catch(() => undefined);
    const found = entry?.description;
    if (found?.systemIdentifier === backup.systemIdentifier && found.startLsn === backup.startLsn)
      return entry;
  }
  return undefined;
}

export async function readLabelEntry(directory: string): Promise<LabelEntry> {
  const description = JSON.parse(await readFile(join(directory, 'backup.json'), 'utf8')) as BackupDescription;
  const label = await readFile(join(directory, 'backup_label'));
  const tablespaceMap = await readFile(join(directory, 'tablespace_map')).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    },
  );
  return { description, label, tablespaceMap };
}

/** An entry is never overwritten: rename refuses a directory that is not empty, and the next number is tried. */
async function renameToFree(from: string, to: string): Promise<string> {
  for (let number = 1; ; number += 1) {
    const free = number === 1 ? to : `${to}.${number}`;
    try {
      await rename(from, free);
      return free;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
    }
  }
}

async function writeSynced(path: string, bytes: Buffer): Promise<void> {
  const file = await open(path, 'wx', fileMode);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
