/**
 * The WAL archive of one cluster: lists, locates and removes archived files.
 *
 *   <cluster>/wal/<16 hex>/<24 hex>.zst               a segment; the directory is the first 16 digits of its name
 *   <cluster>/wal/<16 hex>/<24 hex>.partial.zst       the last, partial segment of the timeline that a standby left
 *   <cluster>/wal/<16 hex>/<24 hex>.<8 hex>.backup    a backup history file
 *   <cluster>/wal/<8 hex>.history                     a timeline history file
 *   <cluster>/wal/.writing/                           files that are being written
 */
import { lstat, readdir, rm, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fsyncDirectory } from '../system/durable-files.ts';
import { beside, within } from '../system/held-directory.ts';

/** The kinds of files that PostgreSQL archives. */
export type WalFileKind = 'segment' | 'partial' | 'backup history' | 'timeline history';

const kinds: [WalFileKind, RegExp][] = [
  ['segment', /^[0-9A-F]{24}$/],
  ['partial', /^[0-9A-F]{24}\.partial$/],
  ['backup history', /^[0-9A-F]{24}\.[0-9A-F]{8}\.backup$/],
  ['timeline history', /^[0-9A-F]{8}\.history$/],
];

/**
 * Returns the kind of file that PostgreSQL archives under `name` (IsXLogFileName and its siblings); undefined where
 * `name` is none of theirs.
 */
export function walFileKind(name: string): WalFileKind | undefined {
  return kinds.find(([, pattern]) => pattern.test(name))?.[0];
}

/** Whether files of this kind are compressed. History files are not: these are a few lines of text. */
export function isCompressed(kind: WalFileKind): boolean {
  return kind === 'segment' || kind === 'partial';
}

export function walDirectory(clusterDirectory: string): string {
  return join(clusterDirectory, 'wal');
}

/**
 * Returns the path of an archived file, whether the file exists or not.
 * @throws RangeError where `name` is not the name of a WAL file
 */
export function archivedPath(clusterDirectory: string, name: string): string {
  const kind = walFileKind(name);
  if (kind === undefined) throw new RangeError(`"${name}" is not the name of a WAL file`);
  const wal = walDirectory(clusterDirectory);
  if (kind === 'timeline history') return join(wal, name);
  return join(wal, name.slice(0, 16), isCompressed(kind) ? `${name}.zst` : name);
}

/**
 * Whether the archive has a file of that name, and it can be seen.
 * @throws RangeError where `name` is not the name of a WAL file
 */
export async function isInArchive(clusterDirectory: string, name: string): Promise<boolean> {
  return stat(archivedPath(clusterDirectory, name)).then(
    () => true,
    () => false,
  );
}

/** The directory for temporary files. */
export function writingDirectory(clusterDirectory: string): string {
  return join(walDirectory(clusterDirectory), '.writing');
}

/** Lists the directories with segments, sorted. Each is named by a timeline and the upper 32 bits of an LSN. */
export async function walLogs(clusterDirectory: string): Promise<string[]> {
  const names = await namesIn(walDirectory(clusterDirectory));
  return names.filter((name) => /^[0-9A-F]{16}$/.test(name)).sort();
}

/** Lists the whole segments in the directory `log`, sorted, by PostgreSQL's names. */
export async function segmentsIn(clusterDirectory: string, log: string): Promise<string[]> {
  const names = await namesIn(join(walDirectory(clusterDirectory), log));
  return names
    .filter((name) => name.endsWith('.zst'))
    .map((name) => name.slice(0, -'.zst'.length))
    .filter((name) => walFileKind(name) === 'segment' && name.startsWith(log))
    .sort();
}

/** Lists all whole segments, sorted. */
export async function archivedSegments(clusterDirectory: string): Promise<string[]> {
  const found: string[] = [];
  for (const log of await walLogs(clusterDirectory)) found.push(...(await segmentsIn(clusterDirectory, log)));
  return found;
}

/** Lists the names of the timeline history files, sorted. */
export async function timelineHistories(clusterDirectory: string): Promise<string[]> {
  const names = await namesIn(walDirectory(clusterDirectory));
  return names.filter((name) => walFileKind(name) === 'timeline history').sort();
}

/** Lists all files of the archive, sorted, by PostgreSQL's names. */
export async function archivedFiles(clusterDirectory: string): Promise<string[]> {
  const found = await timelineHistories(clusterDirectory);
  for (const log of await walLogs(clusterDirectory)) {
    const names = await namesIn(join(walDirectory(clusterDirectory), log));
    found.push(...names.map((name) => name.replace(/\.zst$/, '')).filter((name) => name.startsWith(log)));
  }
  return found.filter((name) => walFileKind(name) !== undefined).sort();
}

/** Removes files in the given order, and then the directories that are empty. Returns the number of bytes freed. */
export async function removeArchived(clusterDirectory: string, files: readonly string[]): Promise<number> {
  const directories = new Set<string>();
  let bytes = 0;
  for (const { directory, names } of byDirectory(files.map((file) => archivedPath(clusterDirectory, file)))) {
    if (!(await isThere(directory))) continue;
    bytes += await within(directory, (at) => removeNamed(at, names));
    directories.add(directory);
  }
  const wal = walDirectory(clusterDirectory);
  for (const directory of directories) {
    if (directory === wal) continue;
    await fsyncDirectory(directory);
    // A push may be archiving a segment into this directory, which is then not empty or is created again.
    await beside(directory, rmdir).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  }
  if (directories.size > 0) await fsyncDirectory(wal);
  return bytes;
}

/** Groups consecutive paths by directory. */
function byDirectory(paths: readonly string[]): { directory: string; names: string[] }[] {
  const groups: { directory: string; names: string[] }[] = [];
  for (const path of paths) {
    const last = groups.at(-1);
    if (last?.directory === dirname(path)) last.names.push(basename(path));
    else groups.push({ directory: dirname(path), names: [basename(path)] });
  }
  return groups;
}

async function removeNamed(directory: string, names: readonly string[]): Promise<number> {
  let bytes = 0;
  for (const name of names) {
    const path = join(directory, name);
    const stats = await lstat(path).catch(() => undefined);
    if (stats?.nlink === 1) bytes += stats.size;
    await rm(path, { force: true });
  }
  return bytes;
}

function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
}

/** Returns no names where the directory does not exist. */
async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
