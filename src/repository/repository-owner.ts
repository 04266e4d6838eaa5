/**
 * `owner.json` in a cluster's directory. The id makes the directory a repository, so that an empty mount point is not
 * taken for a repository. The token says which control database used the repository last. Only an explicit command
 * creates owner.json, and every change replaces the whole file.
 */
import { randomUUID } from 'node:crypto';
import { constants, existsSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { removeTemporaries, temporaryName } from '../system/temporary-files.ts';
import { fsyncDirectory, writeSynced } from '../system/durable-files.ts';
import { beside, linkRefused, makeDurableDirectory } from '../system/held-directory.ts';
import { linkUnlessThere } from '../system/link-unless-there.ts';
import { giveFileToOwnerOf } from '../system/ownership.ts';
import { readIfThere, repositoryError } from './repository-errors.ts';

/** The content of owner.json. */
export interface RepositoryOwner {
  version: 1;
  cluster: string;
  /** The id of the repository; never changes. */
  id: string;
  createdAt: string;
  /** The token of the control database that used the repository last; null where none has. */
  token: string | null;
  /**
   * The origin of that control database, as returned by control_origin(); null where none has used the repository.
   */
  controlOrigin: string | null;
  /** Since when that control database has used the repository. ISO 8601 in UTC. */
  since: string | null;
  /** When the token was written. ISO 8601 in UTC. */
  usedAt: string | null;
  /** The host from which the token was written. */
  usedBy: string | null;
}

const fileName = 'owner.json';
/** Written by the first push or backup. Repositories of early releases have only this file. */
const identityName = 'cluster.json';

export function ownerFile(clusterDirectory: string): string {
  return join(clusterDirectory, fileName);
}

/**
 * Reads owner.json; undefined where the file does not exist.
 * @throws HoldfastError `repository_unreadable` where the file cannot be read or parsed
 */
export async function readOwner(clusterDirectory: string): Promise<RepositoryOwner | undefined> {
  const file = ownerFile(clusterDirectory);
  const text = await readIfThere(file);
  if (text === undefined) return undefined;
  try {
    const found = JSON.parse(text) as RepositoryOwner;
    if (found.version !== 1 || typeof found.id !== 'string') throw new Error('it is not of version 1');
    return found;
  } catch (error) {
    throw new HoldfastError('failed', `"${file}" is damaged: ${messageOf(error)}`, {
      code: 'repository_unreadable',
      hint: 'restore that file from a copy of the repository, or move the file away and run "holdfast wal init"',
      cause: error,
    });
  }
}

/** Checks that a cluster's directory is a repository. @throws HoldfastError `no_repository` */
export function requireRepository(clusterDirectory: string): void {
  if (existsSync(ownerFile(clusterDirectory)) || existsSync(join(clusterDirectory, identityName))) return;
  throw noRepository(clusterDirectory);
}

/**
 * The error `no_repository`. `known`: the id of the repository used before, and the data directory that has recorded
 * the id.
 */
export function noRepository(
  clusterDirectory: string,
  known?: { id: string; dataDirectory?: string },
): HoldfastError {
  const before = known === undefined ? '' : `, and the one that was used before has the id ${known.id}`;
  const data = known?.dataDirectory === undefined ? '' : ` --data-directory ${known.dataDirectory}`;
  return new HoldfastError(
    'failed',
    `"${clusterDirectory}" is not a repository: it has no ${fileName}${before}`,
    {
      code: 'no_repository',
      hint: `mount the repository; or for a new one run "holdfast wal init --repository ${dirname(clusterDirectory)} --cluster ${basename(clusterDirectory)}${data}"`,
    },
  );
}

/**
 * Makes a cluster's directory a repository unless the directory is one; `isNew` says whether this call did. A
 * directory created by root is given to the owner of its parent, who archives WAL.
 */
export async function createRepository(
  clusterDirectory: string,
): Promise<{ owner: RepositoryOwner; isNew: boolean }> {
  try {
    const found = await readOwner(clusterDirectory);
    if (found !== undefined) return { owner: found, isNew: false };
    await makeDurableDirectory(clusterDirectory);
    const owner: RepositoryOwner = {
      version: 1,
      cluster: basename(clusterDirectory),
      id: randomUUID(),
      createdAt: new Date().toISOString(),
      token: null,
      controlOrigin: null,
      since: null,
      usedAt: null,
      usedBy: null,
    };
    const file = { path: ownerFile(clusterDirectory), text: `${JSON.stringify(owner)}\n` };
    const isNew = await place(file, linkUnlessThere);
    return { owner: (await readOwner(clusterDirectory)) ?? owner, isNew };
  } catch (error) {
    throw repositoryError(error, clusterDirectory);
  }
}

/**
 * Returns the path of the file that is locked while owner.json is replaced. Creates the file where missing.
 * @throws HoldfastError where the file cannot be created
 */
export async function ownerLock(clusterDirectory: string): Promise<string> {
  const file = join(clusterDirectory, 'owner.lock');
  try {
    if (!existsSync(file)) await beside(file, makeLock);
    return file;
  } catch (error) {
    throw repositoryError(error, file);
  }
}

/**
 * Creates a lock file unless the file exists; durable when the promise resolves.
 * @throws HoldfastError where `file` is a symbolic link
 */
export async function makeLock(file: string): Promise<void> {
  const { O_RDWR, O_NOFOLLOW } = constants;
  const lock = await open(file, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  // A file that is there may be anybody's, and is not given away.
  if (lock === undefined) {
    const found = await open(file, O_RDWR | O_NOFOLLOW).catch((error: unknown) => {
      throw linkRefused(error, file);
    });
    return found.close();
  }
  try {
    await giveFileToOwnerOf(dirname(file), lock);
    await lock.sync();
  } finally {
    await lock.close();
  }
  await fsyncDirectory(dirname(file));
}

/** Replaces owner.json; durable when the promise resolves. */
export async function replaceOwner(clusterDirectory: string, owner: RepositoryOwner): Promise<void> {
  const path = ownerFile(clusterDirectory);
  await replaceFile({ path, text: `${JSON.stringify(owner)}\n` });
}

/**
 * Replaces a file in or below a cluster's directory; durable when the promise resolves. The new file has the owner of
 * the directory.
 * @throws HoldfastError where the file cannot be written
 */
export async function replaceFile(file: OwnersFile): Promise<void> {
  try {
    await place(file, async (temporary, path) => {
      await rename(temporary, path);
      return true;
    });
  } catch (error) {
    throw repositoryError(error, file.path);
  }
}

/** A file to replace. */
export interface OwnersFile {
  path: string;
  text: string;
  /** The prefix of the temporary names; by default "." and the name of the file. */
  temporaries?: string;
}

async function place(
  { path, text, temporaries = `.${basename(path)}` }: OwnersFile,
  put: (temporary: string, file: string) => Promise<boolean>,
): Promise<boolean> {
  return beside(path, async (file) => {
    const directory = dirname(file);
    const temporary = join(directory, temporaryName(temporaries));
    try {
      await removeTemporaries(directory, temporaries);
      await writeSynced(temporary, Buffer.from(text), 0o600);
      const placed = await put(temporary, file);
      await fsyncDirectory(directory);
      return placed;
    } finally {
      await rm(temporary, { force: true }).catch(() => undefined);
    }
  });
}
