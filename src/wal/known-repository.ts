/**
 * The repositories to which the WAL of a data directory has been archived.
 * pg_wal/pgsql_tmp.holdfast.push/repositories has the id of each repository by the path of the cluster's directory.
 * Unlike markers, the file does not contain boot id or inode: mounts may be missing right after a reboot, and a copy
 * of pg_wal has to know its repository, too.
 */
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { temporaryName } from '../system/temporary-files.ts';
import { fsyncDirectory, writeSynced } from '../system/durable-files.ts';
import { pushDirectory } from './our-directories.ts';
import { readSmallFile } from '../system/small-file.ts';

const fileName = 'repositories';
/** The same prefix as in pushed-markers.ts, which removes the temporary files of killed processes. */
const temporaryPrefix = 'new.';

/** Returns the id of the repository; undefined where this data directory has not archived to `clusterDirectory`. */
export async function readKnownRepository(
  walDirectory: string,
  clusterDirectory: string,
): Promise<string | undefined> {
  return (await known(walDirectory)).get(clusterDirectory);
}

/** Records the id of the repository; durable when the promise resolves, because a power failure may follow. */
export async function rememberRepository(
  walDirectory: string,
  clusterDirectory: string,
  id: string,
): Promise<void> {
  const ids = await known(walDirectory);
  if (ids.get(clusterDirectory) === id) return;
  ids.set(clusterDirectory, id);
  const directory = pushDirectory(walDirectory);
  if (!existsSync(directory)) {
    await mkdir(directory, { mode: 0o700 });
    await fsyncDirectory(dirname(directory));
  }
  const temporary = join(directory, temporaryName(`${temporaryPrefix}${fileName}`));
  await writeSynced(temporary, Buffer.from(`${JSON.stringify(Object.fromEntries(ids))}\n`), 0o600);
  await rename(temporary, join(directory, fileName));
  await fsyncDirectory(directory);
}

/**
 * Records another repository for `clusterDirectory`. Removes the markers, which say what the previous repository has.
 */
export async function replaceKnownRepository(
  walDirectory: string,
  clusterDirectory: string,
  id: string,
): Promise<void> {
  if ((await readKnownRepository(walDirectory, clusterDirectory)) !== id)
    await rm(pushDirectory(walDirectory), { recursive: true, force: true });
  await rememberRepository(walDirectory, clusterDirectory, id);
}

async function known(walDirectory: string): Promise<Map<string, string>> {
  const file = join(pushDirectory(walDirectory), fileName);
  const text = await readSmallFile(file)
    .then(String)
    .catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return '{}';
      throw new HoldfastError('failed', `"${file}" cannot be read: ${error.message}`, {
        code: 'wal_unreadable',
        hint: 'give the files in its directory to the user that the server runs as (chown)',
        cause: error,
      });
    });
  return new Map(Object.entries(parsed(text)).filter(isEntry));
}

function isEntry(entry: [string, unknown]): entry is [string, string] {
  return typeof entry[1] === 'string';
}

function parsed(text: string): object {
  try {
    return Object(JSON.parse(text)) as object;
  } catch {
    return {};
  }
}
