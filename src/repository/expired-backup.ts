/**
 * Removes a backup from the repository. The first rename takes the backup off every list, and is durable before the
 * first file is removed. The note with the reason is removed last, so that the next expiry can finish the removal
 * that a killed expiry began.
 *
 *   backups/<name>.meta.expired/   with expiry.json; removed last, when the removal has been recorded
 *   backups/<name>.expired/        the files of the backup; removed first
 *
 * backup.json is renamed before the first file of the backup is removed. A backup whose backup.json still has its
 * name is whole, and can be listed again.
 */
import { existsSync } from 'node:fs';
import { lstat, readdir, readlink, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { removeTree } from '../system/remove-tree.ts';
import { fsyncDirectory, writeSynced } from '../system/durable-files.ts';
import { beside, within } from '../system/held-directory.ts';
import { HoldfastError } from '../errors.ts';
import { entryName, isBackupName } from './backup-name.ts';
import { isExpiring, namesOfBackups, readAllBackups } from './catalog.ts';
import { nameLatest } from './latest.ts';
import { readIfThere, repositoryError } from './repository-errors.ts';
import {
  backupsDirectory,
  metaDirectory,
  namesIn,
  parseRepositoryBackup,
  type RepositoryBackup,
} from './repository-backup.ts';
import { readSmallFile } from '../system/small-file.ts';

const suffix = '.expired';
const note = 'expiry.json';
const descriptionFile = 'backup.json';
/** The name of backup.json once files of the backup may be missing. */
const noLonger = 'backup.json.removed';

/**
 * Takes a backup off the lists; durable when the promise resolves. `why` is kept beside the backup until the removal
 * has been recorded.
 */
export async function unlistBackup(clusterDirectory: string, name: string, why: object): Promise<void> {
  await besideBackup(clusterDirectory, name, async (backup, meta) => {
    await within(meta, async (at) => {
      await rm(join(at, note), { force: true });
      await writeSynced(join(at, note), Buffer.from(`${JSON.stringify(why)}\n`), 0o600);
      await fsyncDirectory(at);
    });
    await rename(meta, `${meta}${suffix}`);
    await rename(backup, `${backup}${suffix}`);
    await fsyncDirectory(dirname(backup));
  });
}

/** Runs `work` with the paths of the backup's two directories, which lead through a held descriptor. */
async function besideBackup(
  clusterDirectory: string,
  name: string,
  work: (backup: string, meta: string) => Promise<void>,
): Promise<void> {
  const place = join(backupsDirectory(clusterDirectory), name);
  try {
    await beside(place, (held) => work(held, metaDirectory(held)));
  } catch (error) {
    throw repositoryError(error, metaDirectory(place));
  }
}

/** A backup that is off the lists and has not been removed completely. */
export interface Unlisted {
  name: string;
  /**
   * The object given to unlistBackup(); undefined where the note cannot be read. Whoever writes to the repository may
   * have changed the note.
   */
  why: unknown;
  /** The path of the renamed .meta directory. */
  meta: string;
  /** The description beside the backup; undefined where there is none that can be read. */
  description: RepositoryBackup | undefined;
  /** Whether none of the backup's files has been removed. */
  isWhole: boolean;
  /** Whether files of the backup are there, beside its description. */
  hasFiles: boolean;
}

/** The names of the backups whose removal has begun and has not been finished. */
export async function unlistedNames(clusterDirectory: string): Promise<string[]> {
  const names = await namesOfBackups(clusterDirectory);
  return [...names].filter(([, suffixes]) => isExpiring(suffixes)).map(([name]) => name);
}

/** The backups whose removal has begun and has not been finished. */
export async function unlistedBackups(clusterDirectory: string): Promise<Unlisted[]> {
  const parent = backupsDirectory(clusterDirectory);
  const names = await unlistedNames(clusterDirectory);
  return Promise.all(
    names.map(async (name) => {
      const meta = `${metaDirectory(join(parent, name))}${suffix}`;
      const why: unknown = await readSmallFile(join(meta, note))
        .then((bytes) => JSON.parse(bytes.toString('utf8')) as unknown)
        .catch(() => undefined);
      const text = await readIfThere(join(meta, descriptionFile));
      const said = parsed(meta, text ?? (await readIfThere(join(meta, noLonger))));
      const place = join(parent, name);
      const files = new Set([...(await namesIn(place)), ...(await namesIn(`${place}${suffix}`))]);
      const isWhole = text !== undefined && hasAll(files, said);
      return { name, why, meta, description: said, isWhole, hasFiles: files.size > 0 };
    }),
  );
}

/**
 * Older releases did not rename backup.json. The files that backup.json names are therefore checked as well. A damaged
 * description is reported when the backups are listed next.
 */
function hasAll(files: ReadonlySet<string>, said: RepositoryBackup | undefined): boolean {
  const tars = said?.tars.map(({ name }) => name) ?? [];
  return ['base.tar.zst', 'backup_manifest', ...tars].every((name) => files.has(name));
}

function parsed(meta: string, text: string | undefined): RepositoryBackup | undefined {
  try {
    return text === undefined
      ? undefined
      : parseRepositoryBackup(join(meta, descriptionFile), Buffer.from(text));
  } catch {
    return undefined;
  }
}

/**
 * Lists a whole backup again; durable when the promise resolves. A process killed before that leaves the backup off
 * the lists.
 */
export async function relistBackup(clusterDirectory: string, name: string): Promise<void> {
  await besideBackup(clusterDirectory, name, async (backup, meta) => {
    await renameIfThere(`${backup}${suffix}`, backup);
    await fsyncDirectory(dirname(backup));
    await rename(`${meta}${suffix}`, meta);
    await fsyncDirectory(dirname(backup));
    await within(meta, (at) => rm(join(at, note), { force: true }));
  });
}

async function renameIfThere(from: string, to: string): Promise<void> {
  await rename(from, to).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}

/**
 * Removes the files of a backup that is off the lists. Returns the number of bytes freed.
 * @throws HoldfastError `no_such_backup` where `name` is not the name of a backup
 */
export async function removeFiles(clusterDirectory: string, name: string): Promise<number> {
  requireName(name);
  const parent = backupsDirectory(clusterDirectory);
  const place = join(parent, name);
  try {
    return await beside(place, removeHeld);
  } catch (error) {
    throw repositoryError(error, place);
  }
}

function requireName(name: string): void {
  if (isBackupName(name)) return;
  throw new HoldfastError('failed', `${JSON.stringify(name)} is not the name of a backup`, {
    code: 'no_such_backup',
    hint: 'give the name of a directory in "backups"',
  });
}

async function removeHeld(place: string): Promise<number> {
  // An expiry may have been killed between the two renames.
  await renameIfThere(place, `${place}${suffix}`);
  const meta = `${metaDirectory(place)}${suffix}`;
  if (existsSync(meta))
    await within(meta, async (at) => {
      await renameIfThere(join(at, descriptionFile), join(at, noLonger));
      await fsyncDirectory(at);
    });
  const bytes = await bytesOfItsOwn(`${place}${suffix}`);
  await removeTree(`${place}${suffix}`);
  await fsyncDirectory(dirname(place));
  return bytes;
}

/**
 * Removes the .meta directory. From then on, only the control database has a record of the backup.
 * @throws HoldfastError `no_such_backup` where `name` is not the name of a backup
 */
export async function forgetBackup(clusterDirectory: string, name: string): Promise<void> {
  requireName(name);
  const parent = backupsDirectory(clusterDirectory);
  const meta = `${metaDirectory(join(parent, name))}${suffix}`;
  try {
    await beside(meta, async (held) => {
      await removeTree(held);
      await fsyncDirectory(dirname(held));
    });
  } catch (error) {
    throw repositoryError(error, meta);
  }
}

/** Points `latest` to the newest listed backup if `latest` points to one of the backups in `from`. */
export async function moveLatestAway(clusterDirectory: string, from: ReadonlySet<string>): Promise<void> {
  const link = join(clusterDirectory, 'latest');
  const named = async () => basename(await readlink(link).catch(() => ''));
  if (!from.has(await named())) return;
  for (;;) {
    const all = (await readAllBackups(clusterDirectory)).map(({ description: backup }) => backup);
    const listed = all.filter((backup) => !from.has(entryName(backup)));
    const newest = listed.toSorted((a, b) => Date.parse(a.stoppedAt) - Date.parse(b.stoppedAt)).at(-1);
    // A backup published meanwhile has pointed `latest` to itself, and must not be replaced by this one.
    if (newest === undefined || (await named()) === entryName(newest)) return;
    await nameLatest(clusterDirectory, entryName(newest));
  }
}

/** Returns the bytes of the files that have no other link, for example in the archive. */
async function bytesOfItsOwn(directory: string): Promise<number> {
  let bytes = 0;
  const entries = await readdir(directory, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  for (const entry of entries) {
    const stats = await lstat(join(directory, entry));
    if (stats.isFile() && stats.nlink === 1) bytes += stats.size;
  }
  return bytes;
}
