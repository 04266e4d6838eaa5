/**
 * The record of files archived ahead of the archiver, in the data directory of the WAL:
 *
 *   pg_wal/pgsql_tmp.holdfast.push/target         where "wal push" archives to; if missing, nothing is pushed ahead
 *   pg_wal/pgsql_tmp.holdfast.push/<file>         a marker: this very file is in the archive, durably
 *   pg_wal/pgsql_tmp.holdfast.push/<file>.busy    the process that is archiving the file
 *   pg_wal/pgsql_tmp.holdfast.push/refused        the file that could not be archived; later files are not pushed ahead
 *   pg_wal/pgsql_tmp.holdfast.push/repositories   not a marker: see known-repository.ts
 *   pg_wal/pgsql_tmp.holdfast.push/warned-<hash>  not a marker: see unknown-wal-warning.ts
 *   pg_wal/pgsql_tmp.holdfast.push/worker         not a marker: see attendance.ts
 *
 * A marker counts while the archive has a file of that name: a repository may be put back from an older copy.
 *
 * A marker identifies the file by device, inode number, size, and the times of the last change of content and inode.
 * Every write changes at least one of these values, provided that the file had not been written for longer than the
 * clock's granularity when the file was read. A marker is valid for one boot, because device numbers are. `target`
 * and `refused` identify the directory in the same way, so that a copy of the data directory does not use the
 * original's files.
 */
import { existsSync, statSync, type BigIntStats } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { bootId, parseProcess, processState, thisProcess } from '../system/process-identity.ts';
import { removeTemporaries, temporaryName } from '../system/temporary-files.ts';
import { isInArchive, walFileKind } from '../repository/wal-archive.ts';
import { rememberRepository } from './known-repository.ts';
import { isOwnDirectory, pushDirectory } from './our-directories.ts';
import { untilServerStops } from './server-state.ts';
import { readSmallFile } from '../system/small-file.ts';

/** Where the WAL of a data directory is archived to. */
export interface ArchiveDestination {
  /** The cluster's directory in the repository. */
  clusterDirectory: string;
  /** The result of invocationOf(); undefined where bin/holdfast-wal cannot use markers. */
  invocation: string | undefined;
}

/**
 * Milliseconds for which a file must not have been written before the file is read. Longer than the granularity of
 * the file system's clock, so that a later write changes the modification time.
 */
export const settleMilliseconds = 30;
/** Milliseconds to wait for a file that another process is archiving. */
const patience = 10_000;

/** The path of the marker for a file in pg_wal. */
export function markerPath(path: string): string {
  return join(pushDirectory(dirname(path)), basename(path));
}

/** Identifies a file. bin/holdfast-wal calls stat with the same format. */
export function fileIdentity(path: string): string {
  return identityText(statSync(path, { bigint: true }));
}

function identityText({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, seconds(mtimeNs), seconds(ctimeNs)].join(' ');
}

function seconds(nanoseconds: bigint): string {
  const digits = nanoseconds.toString().padStart(10, '0');
  return `${digits.slice(0, -9)}.${digits.slice(-9)}`;
}

/** Whether this very file has been archived to `target`. Waits while another process is archiving the file. */
export async function isAlreadyPushed(path: string, target: ArchiveDestination): Promise<boolean> {
  const wanted = receiptText(path, target);
  const receipt = markerPath(path);
  for (const end = performance.now() + patience; performance.now() < end; await sleep(2)) {
    const found = await readSmallFile(receipt).then(String, () => undefined);
    if (found !== undefined) return found === wanted && isInArchive(target.clusterDirectory, basename(path));
    if (!(await isBusy(path))) break;
  }
  return hasPushedMarker(path, target);
}

/** The same as isAlreadyPushed(), without waiting. */
export async function hasPushedMarker(path: string, target: ArchiveDestination): Promise<boolean> {
  const found = await readSmallFile(markerPath(path)).then(String, () => undefined);
  if (found === undefined || !existsSync(path) || found !== receiptText(path, target)) return false;
  return isInArchive(target.clusterDirectory, basename(path));
}

/**
 * The lines of a marker: the file, the boot id, the invocation that may trust the marker, and the cluster's
 * directory.
 */
function receiptText(path: string, { clusterDirectory, invocation }: ArchiveDestination): string {
  return [fileIdentity(path), bootId() ?? '', invocation ?? '-', clusterDirectory, ''].join('\n');
}

/**
 * Whether a process is archiving the file. For a process that cannot be seen from here, only the age of the .busy
 * file decides.
 */
export async function isBusy(path: string): Promise<boolean> {
  const busy = `${markerPath(path)}.busy`;
  const text = await readSmallFile(busy).then(String, () => undefined);
  if (text === undefined) return false;
  const its = parseProcess(parseJson(text));
  if (isDeepStrictEqual(its, thisProcess())) return inHand.has(busy);
  const state = its === undefined ? 'unknown' : processState(its);
  if (state !== 'unknown') return state === 'alive';
  const found = await stat(busy).catch(() => undefined);
  return found !== undefined && Date.now() - found.mtimeMs < patience;
}

/**
 * Records where the WAL of this data directory is archived to, and for later pushes the id of the repository. A
 * failure to write these files does not fail the push.
 */
export async function declareDestination(
  path: string,
  target: ArchiveDestination,
  repository?: string,
): Promise<void> {
  const walDirectory = dirname(path);
  if (!existsSync(join(walDirectory, 'archive_status'))) return; // no server's pg_wal
  try {
    if (!(await isOwnDirectory(walDirectory))) return;
    if (repository !== undefined) await rememberRepository(walDirectory, target.clusterDirectory, repository);
    await note(walDirectory, 'target', target);
  } catch {
    // pg_wal is full or not writable: then no file is pushed ahead.
  }
}

/** Returns the recorded destination; undefined where none is recorded for this very directory and boot. */
export async function declaredDestination(walDirectory: string): Promise<ArchiveDestination | undefined> {
  return (await noted(walDirectory, 'target')) as ArchiveDestination | undefined;
}

/** Records a file that could not be archived. No file is pushed ahead until the archiver has archived this one. */
export async function recordRefusalOf(path: string): Promise<void> {
  if (!existsSync(pushDirectory(dirname(path)))) return; // nothing is pushed ahead
  if (!(await isOwnDirectory(dirname(path)))) return;
  await note(dirname(path), 'refused', basename(path)).catch(() => undefined);
}

/** Returns the name of the file that could not be archived; undefined where there is none. */
export async function recordedRefusal(walDirectory: string): Promise<string | undefined> {
  const name = await noted(walDirectory, 'refused');
  return typeof name === 'string' ? name : undefined;
}

/** Removes the record of a file that could not be archived. */
export async function forgetRefusal(walDirectory: string): Promise<void> {
  await rm(join(pushDirectory(walDirectory), 'refused'), { force: true });
}

async function note(walDirectory: string, name: string, what: unknown): Promise<void> {
  const directory = pushDirectory(walDirectory);
  const text = `${JSON.stringify({ ...(await whichDirectory(walDirectory)), what })}\n`;
  const file = join(directory, name);
  if ((await readSmallFile(file).then(String, () => undefined)) === text) return;
  await mkdir(directory, { mode: 0o700 }).catch(() => undefined);
  await replaceMarker(file, text);
}

/** Returns undefined where the file does not exist, or is of another directory or boot. */
async function noted(walDirectory: string, name: string): Promise<unknown> {
  const text = await readSmallFile(join(pushDirectory(walDirectory), name)).then(String, () => '');
  const found = parseJson(text) as { directory?: unknown; boot?: unknown; what?: unknown } | undefined;
  const { directory, boot } = await whichDirectory(walDirectory);
  return found?.directory === directory && found.boot === boot ? found.what : undefined;
}

async function whichDirectory(walDirectory: string): Promise<{ directory: string; boot: string }> {
  const { dev, ino } = await stat(walDirectory, { bigint: true });
  return { directory: `${dev} ${ino}`, boot: bootId() ?? '' };
}

function parseJson(text: string): unknown {
  try {
    return (JSON.parse(text) ?? undefined) as unknown;
  } catch {
    return undefined;
  }
}

/** The error where the server has stopped meanwhile. */
export const serverHasStopped = new Error('the server has stopped');

/** The .busy files of this process. */
const inHand = new Set<string>();

/**
 * Marks the file as busy while `archive` runs. Writes the marker when `archive` resolves, which means that the file
 * is archived durably, unless the file has changed meanwhile. Where the server has stopped meanwhile, the .busy file
 * stays and no marker appears, because of pg_rewind (see our-directories.ts).
 * @throws serverHasStopped
 */
export async function withPushedMarker(
  path: string,
  target: ArchiveDestination,
  archive: () => Promise<void>,
): Promise<void> {
  const receipt = markerPath(path);
  const busy = `${receipt}.busy`;
  const mayTouch = await untilServerStops(dirname(dirname(path)));
  const before = receiptText(path, target);
  await writeFile(busy, JSON.stringify(thisProcess()), { mode: 0o600 });
  inHand.add(busy);
  const outcome = await archive().then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  inHand.delete(busy);
  if (!(await mayTouch())) throw serverHasStopped;
  try {
    if (outcome !== undefined) throw outcome.error;
    if (receiptText(path, target) === before) await replaceMarker(receipt, before);
  } finally {
    await rm(busy, { force: true });
  }
}

/** Removes the markers of files that no longer wait for the archiver, and the temporary files of killed processes. */
export async function removeOldMarkers(walDirectory: string, waiting: ReadonlySet<string>): Promise<void> {
  const directory = pushDirectory(walDirectory);
  await removeTemporaries(directory, temporaryPrefix);
  for (const name of await readdir(directory)) {
    const file = name.replace(/\.busy$/, '');
    if (walFileKind(file) === undefined || (name === file && waiting.has(file))) continue;
    if (await isBusy(join(walDirectory, file))) continue;
    await rm(join(directory, name), { force: true });
  }
}

const temporaryPrefix = 'new.';

/** Writes a file of the directory of markers under a temporary name, and renames the file. */
export async function replaceMarker(file: string, text: string): Promise<void> {
  const temporary = join(dirname(file), temporaryName(`${temporaryPrefix}${basename(file)}`));
  await writeFile(temporary, text, { mode: 0o600 });
  await rename(temporary, file);
}
