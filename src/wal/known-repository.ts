/**
 * Which repositories the WAL of a data directory has gone to: pg_wal/pgsql_tmp.holdfast.push/repositories has their ids,
 * each by the directory where it was mounted. The file names neither boot nor inode, as receipts do: mounts are missing
 * just after a reboot, and a copy of pg_wal has to know its repository, too.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { temporaryName } from '../system/temporary-files.ts';
import { fsyncDirectory, writeSynced } from '../system/durable-files.ts';
import { pushDirectory } from './our-directories.ts';

const fileName = 'repositories';
/** Those of receipts.ts begin so as well: it removes what killed processes have left. */
const temporaryPrefix = 'new.';

/** Its id; undefined: nothing has been archived there from this data directory. */
export async function readKnownRepository(
  walDirectory: string,
  clusterDirectory: string,
): Promise<string | undefined> {
  return (await known(walDirectory)).get(clusterDirectory);
}

/** Durable when it resolves: what comes next may be a power cut. */
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

/** From now on this one is known there. The receipts go, since they say what another repository has. */
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
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return '{}';
    throw new HoldfastError('failed', `"${file}" cannot be read: ${error.message}`, {
      code: 'wal_unreadable',
      hint: 'give what is in its directory to the user that the server runs as (chown)',
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
