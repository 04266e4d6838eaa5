/** Whether pg_wal can have that directory to itself. */
import { existsSync } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { HoldfastError } from '../errors.ts';

export interface WantedWal {
  /** Absolute. */
  walDirectory: string;
  /** The data directory and the tablespaces, absolute. */
  others: readonly string[];
  /** Whom the restored files are going to belong to; undefined: ourselves. */
  uid: number | undefined;
}

/** @throws HoldfastError `wal_directory_overlaps`, `directory_unwritable` */
export async function refuseWalDirectory({ walDirectory, others, uid }: WantedWal): Promise<void> {
  const wal = await placeOf(walDirectory);
  for (const other of others) {
    const place = await placeOf(other);
    if (isIn(wal, place) || isIn(place, wal)) throw overlaps(walDirectory, `overlaps with "${other}"`);
  }
  for (let above = dirname(wal); above !== dirname(above); above = dirname(above))
    if (isServers(above)) throw overlaps(walDirectory, `is in "${above}", which is a server's`);
  await refuseAnothers(walDirectory, uid);
}

/** Without symbolic links, as far as the path is there. */
export async function placeOf(path: string): Promise<string> {
  return realpath(path).catch(async () =>
    dirname(path) === path ? path : join(await placeOf(dirname(path)), basename(path)),
  );
}

export function isIn(path: string, directory: string): boolean {
  return `${path}${sep}`.startsWith(directory.endsWith(sep) ? directory : `${directory}${sep}`);
}

/** A data directory, or where one has its WAL. */
function isServers(directory: string): boolean {
  return ['PG_VERSION', 'archive_status'].some((name) => existsSync(join(directory, name)));
}

/** The server sets its mode at the next start: it has to be its own. */
async function refuseAnothers(path: string, uid: number | undefined): Promise<void> {
  const stats = await stat(path).catch(() => undefined);
  const own = process.getuid?.();
  if (stats === undefined || own === undefined || [own, uid].includes(stats.uid)) return;
  throw new HoldfastError('failed', `"${path}" belongs to user ${stats.uid}`, {
    code: 'directory_unwritable',
    hint: `give --wal-directory a directory that is not there yet, or one of user ${uid ?? own}, whom the restored files belong to`,
  });
}

function overlaps(path: string, how: string): HoldfastError {
  return new HoldfastError('usage', `the directory for WAL "${path}" ${how}`, {
    code: 'wal_directory_overlaps',
    hint: 'give --wal-directory a directory apart from data directories, tablespaces and the WAL of other servers',
  });
}
