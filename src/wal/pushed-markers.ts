/**
 * What has been archived ahead of the archiver, in the data directory whose WAL it is:
 *
 *   pg_wal/pgsql_tmp.holdfast.push/target      where "wal push" archives to; without it, nobody goes ahead
 *   pg_wal/pgsql_tmp.holdfast.push/<file>      that very file is in the archive, durably
 *   pg_wal/pgsql_tmp.holdfast.push/<file>.busy the process that is archiving it now
 *   pg_wal/pgsql_tmp.holdfast.push/refused     the file that could not be archived: behind it nothing is
 *   pg_wal/pgsql_tmp.holdfast.push/repositories   not of receipts: see known-repository.ts
 *
 * A receipt names the file as the file system knows it: device, inode, size, and the times of the last change of
 * its content and of its inode. No write can leave all of these as they were, provided that the file had been left
 * alone for longer than the clock's granularity when it was read. It is good for one boot, since devices' numbers
 * are. Target and refusal name the directory in the same way: those that a copy of it has brought are the original's.
 */
import { existsSync, statSync, type BigIntStats } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bootId, parseProcess, processState, thisProcess } from '../system/process-identity.ts';
import { removeTemporaries, temporaryName } from '../system/temporary-files.ts';
import { walFileKind } from '../repository/wal-archive.ts';
import { rememberRepository } from './known-repository.ts';
import { pushDirectory } from './our-directories.ts';

export interface ArchiveDestination {
  /** The cluster's directory in the repository. */
  clusterDirectory: string;
  /** As invocationOf() says; undefined: the script cannot use receipts. */
  invocation: string | undefined;
}

/**
 * Milliseconds for which a file has to have been left alone before it is read: longer than the granularity of the
 * file system's clock, so that a later write shows.
 */
export const settleMilliseconds = 30;
/** Milliseconds for which a file that another process has in hand is waited for. */
const patience = 10_000;

/** Of a file in pg_wal. */
export function markerPath(path: string): string {
  return join(pushDirectory(dirname(path)), basename(path));
}

/** As bin/holdfast-wal asks stat for it. */
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

/** Whether that very file has been archived there; waits while somebody is at it. */
export async function isAlreadyPushed(path: string, target: ArchiveDestination): Promise<boolean> {
  const wanted = receiptText(path, target);
  const receipt = markerPath(path);
  for (const end = performance.now() + patience; performance.now() < end; await sleep(2)) {
    const found = await readFile(receipt, 'utf8').catch(() => undefined);
    if (found !== undefined) return found === wanted;
    if (!(await isBusy(path))) break;
  }
  return hasPushedMarker(path, target);
}

/** The same, without waiting. */
export async function hasPushedMarker(path: string, target: ArchiveDestination): Promise<boolean> {
  const found = await readFile(markerPath(path), 'utf8').catch(() => undefined);
  return found !== undefined && existsSync(path) && found === receiptText(path, target);
}

/** Three lines: the file, the boot and who may trust it; then the place. */
function receiptText(path: string, { clusterDirectory, invocation }: ArchiveDestination): string {
  return [fileIdentity(path), bootId() ?? '', invocation ?? '-', clusterDirectory, ''].join('\n');
}

/** Whether a process has it in hand. Of one that cannot be seen from here, only its age can tell. */
export async function isBusy(path: string): Promise<boolean> {
  const busy = `${markerPath(path)}.busy`;
  const text = await readFile(busy, 'utf8').catch(() => undefined);
  if (text === undefined) return false;
  const its = parseProcess(parseJson(text));
  const state = its === undefined ? 'unknown' : processState(its);
  if (state !== 'unknown') return state === 'alive';
  const found = await stat(busy).catch(() => undefined);
  return found !== undefined && Date.now() - found.mtimeMs < patience;
}

/**
 * Tells others where this data directory's WAL goes, and later pushes to which repository. A failure to leave that is
 * none of push's.
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
    // pg_wal is not ours to write to, or full: then there is no going ahead.
  }
}

export async function declaredDestination(walDirectory: string): Promise<ArchiveDestination | undefined> {
  return (await noted(walDirectory, 'target')) as ArchiveDestination | undefined;
}

/**
 * What root, say, leaves there by a push that somebody types, the server could not read. The data directory says whose
 * server it is: pg_wal may be a volume that is root's and the group's.
 */
export async function isOwnDirectory(walDirectory: string): Promise<boolean> {
  return (await stat(dirname(walDirectory))).uid === process.geteuid?.();
}

/** Until the archiver has got past it, nothing is archived ahead. */
export async function recordRefusalOf(path: string): Promise<void> {
  if (!existsSync(pushDirectory(dirname(path)))) return; // nobody goes ahead
  if (!(await isOwnDirectory(dirname(path)))) return;
  await note(dirname(path), 'refused', basename(path)).catch(() => undefined);
}

export async function recordedRefusal(walDirectory: string): Promise<string | undefined> {
  const name = await noted(walDirectory, 'refused');
  return typeof name === 'string' ? name : undefined;
}

export async function forgetRefusal(walDirectory: string): Promise<void> {
  await rm(join(pushDirectory(walDirectory), 'refused'), { force: true });
}

async function note(walDirectory: string, name: string, what: unknown): Promise<void> {
  const directory = pushDirectory(walDirectory);
  const text = `${JSON.stringify({ ...(await whichDirectory(walDirectory)), what })}\n`;
  const file = join(directory, name);
  if ((await readFile(file, 'utf8').catch(() => undefined)) === text) return;
  await mkdir(directory, { mode: 0o700 }).catch(() => undefined);
  await replaceFile(file, text);
}

/** undefined: nothing, or nothing of this very directory. */
async function noted(walDirectory: string, name: string): Promise<unknown> {
  const text = await readFile(join(pushDirectory(walDirectory), name), 'utf8').catch(() => '');
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

/** For as long as `archive` takes, others know that the file is in hand; `archive` says whether it has it durable. */
export async function withPushedMarker(
  path: string,
  target: ArchiveDestination,
  archive: () => Promise<void>,
): Promise<void> {
  const receipt = markerPath(path);
  await writeFile(`${receipt}.busy`, JSON.stringify(thisProcess()), { mode: 0o600 });
  try {
    const before = receiptText(path, target);
    await archive();
    if (receiptText(path, target) === before) await replaceFile(receipt, before);
  } finally {
    await rm(`${receipt}.busy`, { force: true });
  }
}

/**
 * Removes the receipts of files that are not waiting for the archiver any more, and what processes that were killed
 * have left.
 */
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

async function replaceFile(file: string, text: string): Promise<void> {
  const temporary = join(dirname(file), temporaryName(`${temporaryPrefix}${basename(file)}`));
  await writeFile(temporary, text, { mode: 0o600 });
  await rename(temporary, file);
}
