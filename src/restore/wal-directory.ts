/** Checks whether a directory can be used for pg_wal alone. */
import { stat } from 'node:fs/promises';
import { HoldfastError } from '../errors.ts';
import { isBelowPath, realPathOf } from '../system/real-path.ts';
import { serverAround } from './server-around.ts';

/** The directory that a user wants for pg_wal. */
export interface WantedWal {
  /** Absolute. */
  walDirectory: string;
  /** The data directory and the tablespaces, absolute. */
  others: readonly string[];
  /** The owner that the restored files get; undefined: the user of this process. */
  uid: number | undefined;
}

/**
 * Refuses a directory that overlaps with others, is inside of a server's directory, or has another owner.
 * @throws HoldfastError `wal_directory_overlaps`, `directory_unwritable`
 */
export async function refuseWalDirectory({ walDirectory, others, uid }: WantedWal): Promise<void> {
  const wal = await realPathOf(walDirectory);
  for (const other of others) {
    const place = await realPathOf(other);
    if (isBelowPath(wal, place) || isBelowPath(place, wal))
      throw overlaps(walDirectory, `overlaps with "${other}"`);
  }
  const above = serverAround(wal);
  if (above !== undefined) throw overlaps(walDirectory, `is in "${above}", which is a server's`);
  await refuseAnothers(walDirectory, uid);
}

/**
 * Refuses a directory of another user. The server sets the mode of pg_wal at the start, and has to own the
 * directory.
 */
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
