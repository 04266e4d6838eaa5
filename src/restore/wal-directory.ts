/** Whether pg_wal can have that directory to itself. */
import { stat } from 'node:fs/promises';
import { HoldfastError } from '../errors.ts';
import { isBelowPath, realPathOf, serverAround } from './real-path.ts';

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
