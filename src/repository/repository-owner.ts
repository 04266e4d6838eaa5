/**
 * Whose repository a cluster's directory is: `owner.json`. Its id is what makes a directory a repository, so that an
 * empty mount point is not taken for one; its token says which control database used the repository last. It is made
 * by an explicit word only, and replaced as a whole.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { removeTemporaries, temporaryName } from '../identity/temporary.ts';
import { syncDirectory, writeSynced } from './durable-files.ts';
import { linkUnlessThere } from './link-unless-there.ts';
import { giveToOwnerOf } from './ownership.ts';
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

/** `knownAs`: the id by which it is known. */
export function noRepository(clusterDirectory: string, knownAs?: string): HoldfastError {
  const known = knownAs === undefined ? '' : `, and the one that was used before has the id ${knownAs}`;
  return new HoldfastError(
    'failed',
    `"${clusterDirectory}" is not a repository: it has no ${fileName}${known}`,
    {
      code: 'no_repository',
      hint: `is it mounted? For a new repository run "holdfast wal init --repository ${dirname(clusterDirectory)} --cluster ${basename(clusterDirectory)}"`,
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
    await makeDirectories(clusterDirectory);
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
    const isNew = await place(clusterDirectory, file, linkUnlessThere);
    return { owner: (await readOwner(clusterDirectory)) ?? owner, isNew };
  } catch (error) {
    throw repositoryError(error, clusterDirectory);
  }
}

/** What is locked while owner.json is replaced. */
export async function ownerLock(clusterDirectory: string): Promise<string> {
  const file = join(clusterDirectory, 'owner.lock');
  try {
    if (!existsSync(file)) {
      const lock = await open(file, 'a', 0o600);
      await lock.sync();
      await lock.close();
      await giveToOwnerOf(clusterDirectory, file);
      await syncDirectory(clusterDirectory);
    }
    return file;
  } catch (error) {
    throw repositoryError(error, file);
  }
}

/** Durable when it resolves. */
export async function replaceOwner(clusterDirectory: string, owner: RepositoryOwner): Promise<void> {
  const path = ownerFile(clusterDirectory);
  await replaceFile(clusterDirectory, { path, text: `${JSON.stringify(owner)}\n` });
}

/** In a cluster's directory, or below it, with its owner's; durable when it resolves. @throws HoldfastError */
export async function replaceFile(clusterDirectory: string, file: OwnersFile): Promise<void> {
  try {
    await place(clusterDirectory, file, async (temporary, path) => {
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
  clusterDirectory: string,
  { path, text, temporaries = `.${basename(path)}` }: OwnersFile,
  put: (temporary: string, file: string) => Promise<boolean>,
): Promise<boolean> {
  const directory = dirname(path);
  const temporary = join(directory, temporaryName(temporaries));
  try {
    await removeTemporaries(directory, temporaries);
    await writeSynced(temporary, Buffer.from(text), 0o600);
    await giveToOwnerOf(clusterDirectory, temporary);
    const placed = await put(temporary, path);
    await syncDirectory(directory);
    return placed;
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

/** With its parents; each new one's name is on the disk when it resolves. */
async function makeDirectories(path: string): Promise<void> {
  const parent = dirname(path);
  if (parent !== path && !existsSync(parent)) await makeDirectories(parent);
  const made = await mkdir(path, { mode: 0o700 }).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return false;
      throw error;
    },
  );
  if (!made) return;
  await giveToOwnerOf(parent, path);
  await syncDirectory(parent);
}
