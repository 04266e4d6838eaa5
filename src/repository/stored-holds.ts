/**
 * The legal holds and keeps of a backup, one file each, beside the backup. Every expiry sees these files, even if the
 * control database with the holds is lost. A hold of an incremental copy also lies beside every link that the copy
 * cannot be restored without.
 *
 *   backups/<name>.meta/holds/<kind>-<hash>.json   for a copy in the repository
 *   elsewhere/<name>/holds/<kind>-<hash>.json      for a backup that is not in the repository
 */
import { createHash } from 'node:crypto';
import { rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isSameLsn } from '../postgres/lsn.ts';
import { fsyncDirectory, writeSynced } from '../system/durable-files.ts';
import { beside, makeNewDirectory } from '../system/held-directory.ts';
import { makeBelow } from '../system/make-below.ts';
import { isBackupName } from './backup-name.ts';
import { backupsDirectory, metaDirectory, namesIn } from './repository-backup.ts';
import { readIfThere, repositoryError } from './repository-errors.ts';

/** The content of a hold's file. */
export interface StoredHold {
  kind: 'hold' | 'keep';
  /** Empty for a keep. */
  reason: string;
  /** The role that placed the hold. */
  by: string;
  /** The role that logged in to the session in which the hold was placed. */
  login: string;
  /**
   * When the hold was placed, with microseconds: 2026-11-28T23:59:59.123456Z. Comparing such texts compares the
   * times.
   */
  at: string;
  /** The origin of the control database that wrote the file. */
  origin: string;
  /** The system identifier and the start LSN of the backup that is held. */
  systemIdentifier: string;
  startLsn: string;
  /** The name of the incremental copy that is held; undefined: the backup beside which the file lies. */
  for?: string;
}

/** A hold's file. `hold` is undefined where the file cannot be parsed; such a file holds the backup all the same. */
export interface FoundHold {
  path: string;
  hold: StoredHold | undefined;
}

/** The backup to which holds belong. */
export interface HeldBackup {
  name: string;
  method: string;
  systemIdentifier: string;
  startLsn: string;
}

/** Returns the directory with the holds of a backup. */
export function holdsDirectory(clusterDirectory: string, { name, method }: HeldBackup): string {
  const backup =
    method === 'copy'
      ? metaDirectory(join(backupsDirectory(clusterDirectory), name))
      : join(clusterDirectory, 'elsewhere', name);
  return join(backup, 'holds');
}

/**
 * Reads the holds of a backup. The holds of another backup with the same name elsewhere are left out. A hold that
 * cannot be read still holds the backup.
 */
export async function storedHolds(clusterDirectory: string, backup: HeldBackup): Promise<FoundHold[]> {
  const found = await holdsIn(holdsDirectory(clusterDirectory, backup));
  return found.filter(
    ({ hold }) =>
      hold === undefined ||
      backup.method === 'copy' ||
      (hold.systemIdentifier === backup.systemIdentifier && isSameLsn(hold.startLsn, backup.startLsn)),
  );
}

/**
 * Reads the holds of a copy that an expiry has taken off the lists, whose .meta directory has been renamed to `meta`.
 */
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

/**
 * Reads a hold; undefined where the file does not exist. An unreadable file (for example a directory of that name)
 * holds this backup and does not prevent the removal of others.
 */
async function readHold(path: string): Promise<FoundHold | undefined> {
  try {
    const text = await readIfThere(path);
    return text === undefined ? undefined : { path, hold: parseHold(JSON.parse(text)) };
  } catch {
    return { path, hold: undefined };
  }
}

function parseHold(value: unknown): StoredHold | undefined {
  const hold = (value ?? {}) as StoredHold;
  const { kind, reason, by, login, at, origin, systemIdentifier, startLsn, for: name } = hold;
  const texts = [
    reason,
    by,
    login,
    at,
    origin,
    systemIdentifier,
    startLsn,
    ...(name === undefined ? [] : [name]),
  ];
  if ((kind !== 'hold' && kind !== 'keep') || texts.some((text) => typeof text !== 'string'))
    return undefined;
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/.test(at)) return undefined;
  if (name !== undefined && !isBackupName(name)) return undefined;
  const parsed = { kind, reason, by, login, at, origin, systemIdentifier, startLsn };
  return name === undefined ? parsed : { ...parsed, for: name };
}

/**
 * Writes a hold; durable when the promise resolves.
 * @throws HoldfastError where the file cannot be written; the cause is ENOENT where an expiry is removing the copy
 */
export async function writeHold(
  clusterDirectory: string,
  backup: HeldBackup,
  hold: StoredHold,
): Promise<void> {
  const directory = holdsDirectory(clusterDirectory, backup);
  const path = join(directory, fileOf(hold));
  try {
    // The .meta directory of a copy is never created here, because an expiry may be removing the copy.
    if (backup.method === 'copy') await beside(directory, makeInside);
    else await makeBelow(clusterDirectory, directory);
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
    await makeNewDirectory(directory);
    await fsyncDirectory(dirname(directory));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Removes the file of a hold. @throws HoldfastError where the file cannot be removed */
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

/** Lists the backups that are not in the repository and have holds here. */
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

/** Removes the directories of a backup that was not in the repository and has been removed. */
export async function forgetElsewhere(clusterDirectory: string, backup: HeldBackup): Promise<void> {
  const directory = holdsDirectory(clusterDirectory, backup);
  // only a backup with a hold has these directories
  for (const path of [directory, dirname(directory)]) await beside(path, rmdir).catch(() => undefined);
}

function fileOf({ kind, at, reason, for: name = '' }: StoredHold): string {
  const hash = createHash('sha256').update(`${kind} ${at} ${reason}${name}`).digest('hex').slice(0, 16);
  return `${kind}-${hash}.json`;
}
