/**
 * Writes backup_label and tablespace_map into a directory: byte for byte, durably, and without replacing
 * different files.
 */
import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { temporaryName } from '../system/temporary-files.ts';
import { fsyncDirectory } from '../system/durable-files.ts';
import { isWithoutLocks } from '../system/file-lock.ts';
import { linkUnlessThere } from '../system/link-unless-there.ts';
import { beside, noFollow, withinInPlace } from '../system/held-directory.ts';
import { readSmallFile } from '../system/small-file.ts';
import type { BackupStop } from '../postgres/backup-facts.ts';

/** Mode and owner of the new files. */
export interface Ownership {
  mode: number;
  /** undefined: the user of this process. */
  owner: { uid: number; gid: number } | undefined;
}

/**
 * Creates the directory, but not missing parents, because a missing parent may be a typing error.
 * @throws HoldfastError where the directory cannot be created
 */
export async function makeDirectory(path: string): Promise<void> {
  await beside(path, (at) => mkdir(at, { mode: 0o700 })).catch(
    (error: NodeJS.ErrnoException | HoldfastError) => {
      if (error.code === 'EEXIST') return;
      if (error instanceof HoldfastError) throw error;
      throw new HoldfastError('failed', `the directory "${path}" cannot be made: ${messageOf(error)}`, {
        cause: error,
      });
    },
  );
}

/**
 * Writes the files and returns their paths. Identical files that already exist are not touched.
 * @throws HoldfastError `other_label_present`
 */
export async function writeLabelFiles(
  directory: string,
  files: Pick<BackupStop, 'label' | 'tablespaceMap'>,
  ownership: Ownership = { mode: 0o600, owner: undefined },
): Promise<string[]> {
  const names = await withinInPlace(directory, (at) => writeIn(at, files, ownership));
  return names.map((name) => join(directory, name));
}

async function writeIn(
  directory: string,
  files: Pick<BackupStop, 'label' | 'tablespaceMap'>,
  ownership: Ownership,
): Promise<string[]> {
  await refuseOthers(directory, files);
  const names = ['backup_label'];
  // tablespace_map comes first: with backup_label alone, recovery would use the wrong locations of
  // tablespaces.
  if (files.tablespaceMap !== null) {
    names.push('tablespace_map');
    await writeOnce(join(directory, 'tablespace_map'), files.tablespaceMap, ownership);
  }
  await writeOnce(join(directory, 'backup_label'), files.label, ownership);
  await fsyncDirectory(directory);
  return names;
}

/**
 * Refuses a directory that has different label files.
 * @throws HoldfastError `other_label_present`
 */
export async function refuseOthers(
  directory: string,
  files: Pick<BackupStop, 'label' | 'tablespaceMap'>,
): Promise<void> {
  for (const [name, wanted] of [
    ['backup_label', files.label],
    ['tablespace_map', files.tablespaceMap],
  ] as const) {
    const path = join(directory, name);
    const present = await contentOf(path);
    if (present === undefined || (wanted !== null && present.equals(wanted))) continue;
    throw otherLabel(
      path,
      wanted === null ? 'exists, and this backup has none' : 'exists already and is different',
    );
  }
}

async function contentOf(path: string): Promise<Buffer | undefined> {
  try {
    return await readSmallFile(path, { flags: noFollow });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (code === 'ELOOP' && noFollow !== 0) throw otherLabel(path, 'is a symbolic link');
    throw new HoldfastError('failed', `"${path}" cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

function otherLabel(path: string, how: string): HoldfastError {
  return new HoldfastError('failed', `"${path}" ${how}`, {
    code: 'other_label_present',
    hint: 'choose another directory, or make sure that this is the right one and remove the file: it belongs to another backup',
  });
}

/**
 * Writes a complete file, or no file, even in a crash: the file is written under a temporary name, and then
 * linked to its name.
 */
async function writeOnce(path: string, bytes: Buffer, { mode, owner }: Ownership): Promise<void> {
  if ((await contentOf(path))?.equals(bytes) === true) return;
  // PostgreSQL's tools skip this temporary name, should this process be killed.
  const temporary = join(dirname(path), temporaryName(`pgsql_tmp.${basename(path)}`));
  try {
    const file = await open(temporary, 'wx', mode);
    try {
      await file.writeFile(bytes);
      if (owner !== undefined) await file.chown(owner.uid, owner.gid);
      await giveMode(file, mode);
      await file.sync();
    } finally {
      await file.close();
    }
    await nameFile(temporary, path);
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    throw new HoldfastError('failed', `"${path}" cannot be written: ${messageOf(error)}`, { cause: error });
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

/** Whatever the umask. A file system that knows no modes refuses to set one. */
async function giveMode(file: FileHandle, mode: number): Promise<void> {
  await file.chmod(mode).catch((error: NodeJS.ErrnoException) => {
    if (!['EPERM', 'ENOSYS', 'ENOTSUP'].includes(error.code ?? '')) throw error;
  });
}

/** Gives a file its name. rename, which replaces a file, is used where the file system has neither links nor locks. */
async function nameFile(from: string, to: string): Promise<void> {
  const isNamed = await linkUnlessThere(from, to).catch(async (error: unknown) => {
    if (!isWithoutLocks(error)) throw error;
    await rename(from, to);
    return true;
  });
  if (!isNamed) throw otherLabel(to, 'has been written by somebody else at this moment');
}
