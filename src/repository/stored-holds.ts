/**
 * The legal holds and keeps of a backup as they lie beside it, a file each: whoever removes backups sees them there,
 * whatever became of the control database in which they were placed.
 *
 *   backups/<name>.meta/holds/<kind>-<hash>.json   of a copy
 *   elsewhere/<name>/holds/<kind>-<hash>.json      of one that is not in the repository
 */
import { createHash } from 'node:crypto';
import { mkdir, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fsyncDirectory, writeSynced } from '../system/durable-files.ts';
import { beside, makeDurableDirectory } from '../system/held-directory.ts';
import { giveToOwnerOf } from '../system/ownership.ts';
import { backupsDirectory, metaDirectory, namesIn } from './repository-backup.ts';
import { readIfThere, repositoryError } from './repository-errors.ts';

export interface StoredHold {
  kind: 'hold' | 'keep';
  /** Of a keep: empty. */
  reason: string;
  /** The role that placed it, and the login behind it. */
  by: string;
  login: string;
  /** When, with microseconds: 2026-11-28T23:59:59.123456Z. Such texts are in the order of time. */
  at: string;
  /** Of the control database that wrote it. */
  origin: string;
  /** Of the backup. */
  systemIdentifier: string;
  startLsn: string;
}

/** One that cannot be understood holds all the same. */
export interface FoundHold {
  path: string;
  hold: StoredHold | undefined;
}

export interface HeldBackup {
  name: string;
  method: string;
  systemIdentifier: string;
  startLsn: string;
}

export function holdsDirectory(clusterDirectory: string, { name, method }: HeldBackup): string {
  const backup =
    method === 'copy'
      ? metaDirectory(join(backupsDirectory(clusterDirectory), name))
      : join(clusterDirectory, 'elsewhere', name);
  return join(backup, 'holds');
}

/** None of another backup with the same name. What cannot be read is not a reason to let the backup go. */
export async function storedHolds(clusterDirectory: string, backup: HeldBackup): Promise<FoundHold[]> {
  const found = await holdsIn(holdsDirectory(clusterDirectory, backup));
  return found.filter(
    ({ hold }) =>
      hold === undefined ||
      backup.method === 'copy' ||
      (hold.systemIdentifier === backup.systemIdentifier && hold.startLsn === backup.startLsn),
  );
}

/** Of a copy that an expiry has taken off the lists: what is known about it lies elsewhere now. */
export async function holdsBeside(meta: string): Promise<FoundHold[]> {
  return holdsIn(join(meta, 'holds'));
}

async function holdsIn(directory: string): Promise<FoundHold[]> {
  const all = await namesIn(directory).catch(() => undefined);
  if (all === undefined) return [{ path: directory, hold: undefined }];
  const names = all.filter((name) => name.endsWith('.json')).sort();
  const found = await Promise.all(names.map((name) => readHold(join(directory, name))));
  return found.filter((one) => one !== undefined);
}

/** undefined: there is none. A directory of such a name, say, holds that backup, and keeps nobody from the others. */
async function readHold(path: string): Promise<FoundHold | undefined> {
  try {
    const text = await readIfThere(path);
    return text === undefined ? undefined : { path, hold: parseHold(JSON.parse(text)) };
  } catch {
    return { path, hold: undefined };
  }
}

function parseHold(value: unknown): StoredHold | undefined {
  const { kind, reason, by, login, at, origin, systemIdentifier, startLsn } = (value ?? {}) as StoredHold;
  const texts = [reason, by, login, at, origin, systemIdentifier, startLsn];
  if ((kind !== 'hold' && kind !== 'keep') || texts.some((text) => typeof text !== 'string'))
    return undefined;
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/.test(at)) return undefined;
  return { kind, reason, by, login, at, origin, systemIdentifier, startLsn };
}

/** Durable when it resolves. Of a copy that is being removed there is nothing to write to: ENOENT. */
export async function writeHold(
  clusterDirectory: string,
  backup: HeldBackup,
  hold: StoredHold,
): Promise<void> {
  const directory = holdsDirectory(clusterDirectory, backup);
  const path = join(directory, fileOf(hold));
  try {
    // What is beside a copy is never made anew: it may be gone in this moment.
    if (backup.method === 'copy') await beside(directory, makeInside);
    else await makeDurableDirectory(directory);
    await beside(path, async (file) => {
      const unready = `${file}.unready`;
      await rm(unready, { force: true });
      await writeSynced(unready, Buffer.from(`${JSON.stringify({ version: 1, ...hold }, null, 2)}\n`), 0o600);
      await rename(unready, file);
      await fsyncDirectory(dirname(file));
    });
  } catch (error) {
    throw repositoryError(error, path);
  }
}

async function makeInside(directory: string): Promise<void> {
  try {
    await mkdir(directory, { mode: 0o700 });
    await giveToOwnerOf(dirname(directory), directory);
    await fsyncDirectory(dirname(directory));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

export async function removeHold(path: string): Promise<void> {
  try {
    await beside(path, async (file) => {
      await rm(file, { force: true });
      await fsyncDirectory(dirname(file));
    });
  } catch (error) {
    throw repositoryError(error, path);
  }
}

/** The backups that are not in the repository and that something lies here of. */
export async function heldElsewhere(clusterDirectory: string): Promise<HeldBackup[]> {
  const parent = join(clusterDirectory, 'elsewhere');
  const backups: HeldBackup[] = [];
  for (const name of (await namesIn(parent)).sort()) {
    const directory = join(parent, name, 'holds');
    for (const file of await namesIn(directory).catch((): string[] => [])) {
      const hold = file.endsWith('.json') ? (await readHold(join(directory, file)))?.hold : undefined;
      if (hold === undefined) continue;
      const { systemIdentifier, startLsn } = hold;
      backups.push({ name, method: 'hold', systemIdentifier, startLsn });
    }
  }
  return backups;
}

/** What is left of a backup that was elsewhere, and is gone. */
export async function forgetElsewhere(clusterDirectory: string, backup: HeldBackup): Promise<void> {
  const directory = holdsDirectory(clusterDirectory, backup);
  for (const path of [directory, dirname(directory)]) await beside(path, rmdir).catch(() => undefined); // it is there only where something was held
}

function fileOf({ kind, at, reason }: StoredHold): string {
  const hash = createHash('sha256').update(`${kind} ${at} ${reason}`).digest('hex').slice(0, 16);
  return `${kind}-${hash}.json`;
}
