/**
 * A backup that is being removed. It is off every list from the first rename on, which is durable before anything of
 * it goes, and what stays longest says why: a killed expiry is finished by the next one.
 *
 *   backups/<name>.meta.expired/   with expiry.json; gone last, when the removal has been recorded
 *   backups/<name>.expired/        its files; gone first
 *
 * Before the first of its files goes, backup.json has another name. As long as it has its own, the backup is whole, and
 * can be put back on the lists.
 */
import { existsSync } from 'node:fs';
import { lstat, readdir, readFile, readlink, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { removeTree } from '../system/remove-tree.ts';
import { fsyncDirectory, writeSynced } from '../system/durable-files.ts';
import { beside, within } from '../system/held-directory.ts';
import { entryName } from './label-entry.ts';
import { nameLatest } from './latest.ts';
import { readIfThere, repositoryError } from './repository-errors.ts';
import {
  backupsDirectory,
  listBackupNames,
  metaDirectory,
  namesIn,
  parseRepositoryBackup,
} from './repository-backup.ts';

const suffix = '.expired';
const note = 'expiry.json';
const description = 'backup.json';
/** What it is called once files may be missing. */
const noLonger = 'backup.json.removed';

/** Takes it off the lists; durable when it resolves. `why` is kept beside it until its removal has been recorded. */
export async function unlistBackup(clusterDirectory: string, name: string, why: object): Promise<void> {
  const parent = backupsDirectory(clusterDirectory);
  const place = join(parent, name);
  const meta = metaDirectory(place);
  try {
    await beside(place, async (held) => {
      const heldMeta = metaDirectory(held);
      await within(heldMeta, async (at) => {
        await rm(join(at, note), { force: true });
        await writeSynced(join(at, note), Buffer.from(`${JSON.stringify(why)}\n`), 0o600);
        await fsyncDirectory(at);
      });
      await rename(heldMeta, `${heldMeta}${suffix}`);
      await rename(held, `${held}${suffix}`);
      await fsyncDirectory(dirname(held));
    });
  } catch (error) {
    throw repositoryError(error, meta);
  }
}

export interface Unlisted {
  name: string;
  /** What unlistBackup() was given; undefined: it cannot be read. */
  why: unknown;
  /** Where what is known about it is now. */
  meta: string;
  /** None of its files has gone. */
  isWhole: boolean;
}

/** Those whose removal has begun and not been finished. */
export async function unlistedBackups(clusterDirectory: string): Promise<Unlisted[]> {
  const parent = backupsDirectory(clusterDirectory);
  const ends = new RegExp(`^(\\d{8}T\\d{6}Z-\\d+)(?:\\.meta)?\\${suffix}$`);
  const found = (await namesIn(parent))
    .map((name) => ends.exec(name)?.[1])
    .filter((name) => name !== undefined);
  return Promise.all(
    [...new Set(found)].sort().map(async (name) => {
      const meta = `${metaDirectory(join(parent, name))}${suffix}`;
      const why: unknown = await readFile(join(meta, note), 'utf8')
        .then(JSON.parse)
        .catch(() => undefined);
      return { name, why, meta, isWhole: await isWhole(join(parent, name), meta) };
    }),
  );
}

/** Older releases did not rename backup.json: files that it names may be missing all the same. */
async function isWhole(place: string, meta: string): Promise<boolean> {
  const file = join(meta, description);
  const text = await readIfThere(file);
  if (text === undefined) return false;
  const there = new Set([...(await namesIn(place)), ...(await namesIn(`${place}${suffix}`))]);
  return ['base.tar.zst', 'backup_manifest', ...tarsOf(file, text)].every((name) => there.has(name));
}

/** Where the description is damaged, the next look at the lists says so. */
function tarsOf(file: string, text: string): string[] {
  try {
    return parseRepositoryBackup(file, Buffer.from(text)).tars.map(({ name }) => name);
  } catch {
    return [];
  }
}

/** Puts one that is whole back on the lists; durable when it resolves. Killed before that, it is off the lists still. */
export async function relistBackup(clusterDirectory: string, name: string): Promise<void> {
  const parent = backupsDirectory(clusterDirectory);
  const place = join(parent, name);
  const meta = metaDirectory(place);
  try {
    await beside(place, async (held) => {
      const heldMeta = metaDirectory(held);
      await renameIfThere(`${held}${suffix}`, held);
      await fsyncDirectory(dirname(held));
      await rename(`${heldMeta}${suffix}`, heldMeta);
      await fsyncDirectory(dirname(held));
      await within(heldMeta, (at) => rm(join(at, note), { force: true }));
    });
  } catch (error) {
    throw repositoryError(error, meta);
  }
}

async function renameIfThere(from: string, to: string): Promise<void> {
  await rename(from, to).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}

/** Removes the files of a backup that is off the lists. Returns how many bytes that frees. */
export async function removeFiles(clusterDirectory: string, name: string): Promise<number> {
  const parent = backupsDirectory(clusterDirectory);
  const place = join(parent, name);
  try {
    return await beside(place, removeHeld);
  } catch (error) {
    throw repositoryError(error, place);
  }
}

async function removeHeld(place: string): Promise<number> {
  // Killed between the two renames.
  await renameIfThere(place, `${place}${suffix}`);
  const meta = `${metaDirectory(place)}${suffix}`;
  if (existsSync(meta))
    await within(meta, async (at) => {
      await renameIfThere(join(at, description), join(at, noLonger));
      await fsyncDirectory(at);
    });
  const bytes = await bytesOfItsOwn(`${place}${suffix}`);
  await removeTree(`${place}${suffix}`);
  await fsyncDirectory(dirname(place));
  return bytes;
}

/** Removes what is left of it: nothing remembers it from now on but the control database. */
export async function forgetBackup(clusterDirectory: string, name: string): Promise<void> {
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

/** Has `latest` name the newest of those that are listed, if it names one of these. */
export async function moveLatestAway(clusterDirectory: string, from: ReadonlySet<string>): Promise<void> {
  const link = join(clusterDirectory, 'latest');
  const named = async () => basename(await readlink(link).catch(() => ''));
  if (!from.has(await named())) return;
  for (;;) {
    const listed = (await listBackupNames(clusterDirectory)).filter((backup) => !from.has(entryName(backup)));
    const newest = listed.toSorted((a, b) => Date.parse(a.stoppedAt) - Date.parse(b.stoppedAt)).at(-1);
    // A backup that was published meanwhile has named itself, and must not be forgotten over this one.
    if (newest === undefined || (await named()) === entryName(newest)) return;
    await nameLatest(clusterDirectory, entryName(newest));
  }
}

/** Without what the archive has, too, by another link. */
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
