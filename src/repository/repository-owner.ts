/**
 * Whose repository a cluster's directory is: `owner.json`. Its id is what makes a directory a repository, so that an
 * empty mount point is not taken for one; its token says which control database used the repository last. It is made
 * by an explicit word only, and replaced as a whole.
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

export interface RepositoryOwner {
  version: 1;
  cluster: string;
  /** Of this directory, for ever. */
  id: string;
  createdAt: string;
  /** What the control database that used it last has left; null: none has. */
  token: string | null;
  /** Its origin, as control_origin() says it. */
  controlOrigin: string | null;
  /** Since when an origin has been in charge; and when, and from which host, the token was left. */
  since: string | null;
  usedAt: string | null;
  usedBy: string | null;
}

const fileName = 'owner.json';
/** Written by the first push or copy; alone in repositories of releases that knew no owner.json. */
const identityName = 'cluster.json';

export function ownerFile(clusterDirectory: string): string {
  return join(clusterDirectory, fileName);
}

/** undefined: there is none. @throws HoldfastError where it cannot be read, or makes no sense */
export async function readOwner(clusterDirectory: string): Promise<RepositoryOwner | undefined> {
  const file = ownerFile(clusterDirectory);
  const text = await readIfThere(file);
  if (text === undefined) return undefined;
  try {
    const found = JSON.parse(text) as RepositoryOwner;
    if (found.version !== 1 || typeof found.id !== 'string') throw new Error('it is not of version 1');
    return found;
  } catch (error) {
    throw new HoldfastError('failed', `"${file}" makes no sense: ${messageOf(error)}`, {
      code: 'repository_unreadable',
      hint: 'restore it from a copy of the repository, or move it away and run "holdfast wal init"',
      cause: error,
    });
  }
}

/** Whether a cluster's directory is a repository. @throws HoldfastError `no_repository` where it is not */
export function requireRepository(clusterDirectory: string): void {
  if (existsSync(ownerFile(clusterDirectory)) || existsSync(join(clusterDirectory, identityName))) return;
  throw noRepository(clusterDirectory);
}

/** `known`: the id of the one that was there, and the data directory that knows it. */
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
      hint: `is it mounted? For a new repository run "holdfast wal init --repository ${dirname(clusterDirectory)} --cluster ${basename(clusterDirectory)}${data}"`,
    },
  );
}

/**
 * Makes a cluster's directory a repository, unless it is one. Made by root, it belongs to the owner of the directory
 * that it is made in: that one archives.
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

/** What is locked while owner.json is replaced. */
export async function ownerLock(clusterDirectory: string): Promise<string> {
  const file = join(clusterDirectory, 'owner.lock');
  try {
    if (!existsSync(file)) await beside(file, makeLock);
    return file;
  } catch (error) {
    throw repositoryError(error, file);
  }
}

/** Unless it is there, which is not followed where it is a link; durable when it resolves. */
export async function makeLock(file: string): Promise<void> {
  const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants;
  const lock = await open(file, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600).catch((error: unknown) => {
    throw linkRefused(error, file);
  });
  try {
    await giveFileToOwnerOf(dirname(file), lock);
    await lock.sync();
  } finally {
    await lock.close();
  }
  await fsyncDirectory(dirname(file));
}

/** Durable when it resolves. */
export async function replaceOwner(clusterDirectory: string, owner: RepositoryOwner): Promise<void> {
  const path = ownerFile(clusterDirectory);
  await replaceFile({ path, text: `${JSON.stringify(owner)}\n` });
}

/** In a cluster's directory, or below it, with its owner's; durable when it resolves. @throws HoldfastError */
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

export interface OwnersFile {
  path: string;
  text: string;
  /** What the names of its temporary files begin with. */
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
