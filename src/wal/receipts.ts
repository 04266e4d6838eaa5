/**
 * What a worker has archived ahead of the archiver, in the data directory whose WAL it is:
 *
 *   pg_wal/holdfast.push/target      where "wal push" archives to; without it, no worker goes ahead
 *   pg_wal/holdfast.push/<file>      that very file is in the archive, durably
 *   pg_wal/holdfast.push/<file>.busy the process that is archiving it now
 *
 * A receipt names the file as the file system knows it: device, inode, size, and the times of the last change of
 * its content and of its inode. No write can leave all of these as they were, provided that the file had been left
 * alone for longer than the clock's granularity when it was read. It is good for one boot, since devices' numbers
 * are.
 */
import { existsSync, statSync, type BigIntStats } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bootId, isAlive } from '../identity/process.ts';

export interface Target {
  /** The cluster's directory in the repository. */
  clusterDirectory: string;
  /** As invocationOf() says; undefined: the script cannot use receipts. */
  invocation: string | undefined;
  /** Its id, as owner.json has it; undefined: an older release has made it. */
  repository?: string | undefined;
}

const directoryName = 'holdfast.push';
/** Milliseconds for which a push waits for the worker that has the file in hand. */
const patience = 10_000;

/** Of a file in pg_wal. */
export function receiptPath(path: string): string {
  return join(dirname(path), directoryName, basename(path));
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

/** Whether that very file has been archived there; waits while a worker is at it. */
export async function isReceipted(path: string, target: Target): Promise<boolean> {
  const wanted = receiptText(path, target);
  const receipt = receiptPath(path);
  for (let waited = 0; waited < patience; waited += 2) {
    const found = await readFile(receipt, 'utf8').catch(() => undefined);
    if (found !== undefined) return found === wanted;
    if (!(await isBusy(receipt))) break;
    await sleep(2);
  }
  return (await readFile(receipt, 'utf8').catch(() => undefined)) === wanted;
}

/** Three lines: the file, the boot and who may trust it; then the place. */
function receiptText(path: string, { clusterDirectory, invocation }: Target): string {
  return [fileIdentity(path), bootId() ?? '', invocation ?? '-', clusterDirectory, ''].join('\n');
}

async function isBusy(receipt: string): Promise<boolean> {
  const pid = Number(await readFile(`${receipt}.busy`, 'utf8').catch(() => Number.NaN));
  return Number.isInteger(pid) && pid > 0 && isAlive(pid);
}

/** Tells workers where this data directory's WAL goes. It is a hint, so a failure to leave it is none of push's. */
export async function declareTarget(path: string, target: Target): Promise<void> {
  const directory = dirname(receiptPath(path));
  if (!existsSync(join(dirname(directory), 'archive_status'))) return; // no server's pg_wal
  const file = declaredFile(dirname(path));
  const text = `${JSON.stringify(target)}\n`;
  if ((await readFile(file, 'utf8').catch(() => undefined)) === text) return;
  try {
    await mkdir(directory, { mode: 0o700 }).catch(() => undefined);
    await replaceFile(file, text);
  } catch {
    // pg_wal is not ours to write to, or full: then there is no going ahead.
  }
}

export function declaredFile(walDirectory: string): string {
  return join(walDirectory, directoryName, 'target');
}

export async function declaredTarget(walDirectory: string): Promise<Target | undefined> {
  try {
    const text = await readFile(declaredFile(walDirectory), 'utf8');
    return JSON.parse(text) as Target;
  } catch {
    return undefined;
  }
}

/** Does `archive`, which makes the file durable in the archive, and leaves the receipt for it. */
export async function withReceipt(path: string, target: Target, archive: () => Promise<void>): Promise<void> {
  const receipt = receiptPath(path);
  await writeFile(`${receipt}.busy`, String(process.pid));
  try {
    const before = receiptText(path, target);
    await archive();
    if (receiptText(path, target) === before) await replaceFile(receipt, before);
  } finally {
    await rm(`${receipt}.busy`, { force: true });
  }
}

/**
 * Removes the receipts of files that are not waiting for the archiver any more, and what workers that were killed
 * have left. Returns the files that have one, or are in hand.
 */
export async function tidyReceipts(walDirectory: string, waiting: ReadonlySet<string>): Promise<Set<string>> {
  const directory = join(walDirectory, directoryName);
  const receipted = new Set<string>();
  for (const name of await readdir(directory)) {
    const file = name.replace(/\..*$/, '');
    // With its receipt that is being written: another lane, or process, is about to rename that.
    const inHand = name !== file && (await isBusy(join(directory, file)));
    if (name === 'target') continue;
    if (inHand || (waiting.has(file) && name === file)) receipted.add(file);
    else await rm(join(directory, name), { force: true });
  }
  return receipted;
}

async function replaceFile(file: string, text: string): Promise<void> {
  const temporary = `${file}.${process.pid}`;
  await writeFile(temporary, text, { mode: 0o600 });
  await rename(temporary, file);
}
