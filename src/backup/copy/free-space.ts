/** Room on the repository's disk: for the copy, and a reserve that no copy takes from the WAL that is archived there. */
import { statfs } from 'node:fs/promises';
import { HoldfastError } from '../../errors.ts';
import { listBackupNames } from '../../repository/repository-backup.ts';

/** Stored bytes for each byte of files where there is no copy yet to tell: fewer than most have. */
const ratioUnknown = 0.1;
/** Milliseconds. */
const lookEvery = 500;

/** @throws HoldfastError `no_room_for_copy` with the figures */
export async function requireFreeSpace(directory: string, bytes: number, reserve: number): Promise<void> {
  const free = await freeBytes(directory);
  if (free === undefined) return;
  const known = await lastRatio(directory);
  const takes = Math.ceil(bytes * (known ?? ratioUnknown));
  if (free - takes >= reserve) return;
  const after = known === undefined ? 'at best' : 'if it is compressed like the last one';
  throw noRoom(
    `the repository has ${size(free)} free: a copy of ${size(bytes)} takes ${size(takes)} ${after}, and ${size(reserve)} are kept for WAL`,
  );
}

export interface FreeSpaceWatch {
  /** Rejects when the copy has come to the reserve. */
  readonly short: Promise<never>;
  stop(): void;
}

/** While a copy is written, which is not alone on that disk. */
export function watchFreeSpace(directory: string, reserve: number): FreeSpaceWatch {
  const short = Promise.withResolvers<never>();
  short.promise.catch(() => undefined);
  let looking = false;
  const look = async () => {
    if (looking) return;
    looking = true;
    const free = await freeBytes(directory).catch(() => undefined); // what is wrong there shows when it is written
    looking = false;
    if (free !== undefined && free < reserve)
      short.reject(noRoom(`the repository has ${size(free)} free, and ${size(reserve)} are kept for WAL`));
  };
  const timer = setInterval(() => void look(), lookEvery);
  return { short: short.promise, stop: () => clearInterval(timer) };
}

/** undefined: the file system does not say. */
async function freeBytes(directory: string): Promise<number | undefined> {
  const { bavail, blocks, bsize } = await statfs(directory);
  return blocks === 0 ? undefined : bavail * bsize;
}

async function lastRatio(directory: string): Promise<number | undefined> {
  const last = (await listBackupNames(directory, () => undefined)).at(-1);
  return last === undefined || last.bytes === 0 ? undefined : last.storedBytes / last.bytes;
}

function noRoom(message: string): HoldfastError {
  return new HoldfastError('failed', message, {
    code: 'no_room_for_copy',
    hint: 'make room in the repository ("holdfast expire --dry-run" shows what could go), name another ([worker] repository), or keep less for WAL ([worker] wal_reserve); then request the backup again',
  });
}

function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const value = bytes / 2 ** (10 * power);
  return `${value >= 10 || power === 0 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}
