/**
 * Checks the free space of the file system of the repository: for the copy, and for a reserve that is kept for
 * archived WAL.
 */
import { HoldfastError } from '../../errors.ts';
import { readCatalog } from '../../repository/catalog.ts';
import { freeBytes } from '../../system/free-bytes.ts';

/** Stored bytes for each byte of files, if there is no earlier copy. Most clusters need more. */
const ratioUnknown = 0.1;
/** Milliseconds. */
const lookEvery = 500;

/** What is known of the size of a copy. */
export interface ExpectedSize {
  /** The sum of the sizes of the files. */
  bytes: number;
  /** Stored bytes for each byte of files in the last copy, see lastRatio; undefined: there is none. */
  ratio: number | undefined;
}

/**
 * Compares the free space with the expected size of the copy. `reserve`: bytes that are kept for WAL.
 * @throws HoldfastError `no_room_for_copy`
 */
export async function requireFreeSpace(
  directory: string,
  { bytes, ratio: known }: ExpectedSize,
  reserve: number,
): Promise<void> {
  const free = await freeBytes(directory);
  if (free === undefined) return;
  const takes = Math.ceil(bytes * (known ?? ratioUnknown));
  if (free - takes >= reserve) return;
  const after = known === undefined ? 'at best' : 'if it is compressed like the last one';
  throw noRoom(
    `the repository has ${size(free)} free: a copy of ${size(bytes)} takes ${size(takes)} ${after}, and ${size(reserve)} are kept for WAL`,
  );
}

/** A watch on the free space while a copy is written. */
export interface FreeSpaceWatch {
  /** Rejects when the free space is smaller than the reserve. Never resolves. */
  readonly short: Promise<never>;
  stop(): void;
}

/**
 * Watches the free space while a copy is written: other programs may write to the same file system. `reserve`:
 * bytes.
 */
export function watchFreeSpace(directory: string, reserve: number): FreeSpaceWatch {
  const short = Promise.withResolvers<never>();
  short.promise.catch(() => undefined);
  let looking = false;
  const look = async () => {
    if (looking) return;
    looking = true;
    // an error of the file system is reported when the copy writes
    const free = await freeBytes(directory).catch(() => undefined);
    looking = false;
    if (free !== undefined && free < reserve)
      short.reject(noRoom(`the repository has ${size(free)} free, and ${size(reserve)} are kept for WAL`));
  };
  const timer = setInterval(() => void look(), lookEvery);
  return { short: short.promise, stop: () => clearInterval(timer) };
}

/** Reads how the last copy was compressed: stored bytes for each byte of files; undefined: there is no copy. */
export async function lastRatio(directory: string): Promise<number | undefined> {
  const last = (await readCatalog(directory)).backups.at(-1)?.description;
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
