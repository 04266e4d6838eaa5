/**
 * Locks in the repository, between processes and, where the file system's locks reach that far, between hosts. The
 * kernel holds one for a file that we have open, so that it ends with us, however we end. Node cannot ask the kernel
 * for it: flock(1) does, on our open file, and is gone again before the work begins.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { linkRefused, noFollow, within } from './held-directory.ts';

export interface LockOptions {
  /** Together with others that share it; not while one has it alone. */
  shared: boolean;
  /** Milliseconds; 0: now or not at all. */
  wait: number;
}

/**
 * Does the work while it holds the lock of an existing file or directory. @throws HoldfastError `locked`; `lock_gone`
 * where what was to be locked is not there (any more); `lock_unsupported` where nobody can have such a lock;
 * `lock_failed` where we cannot
 */
export async function withLock<T>(path: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  const { file, locked } = await openLockable(path, options);
  try {
    await take(file, locked, options);
    const [ours, named] = await Promise.all([file.stat(), stat(locked).catch(explainAbsence(path))]);
    if (ours.ino !== named.ino || ours.dev !== named.dev) throw gone(path);
    return await work();
  } finally {
    await file.close();
  }
}

/**
 * For those who read a backup: keeps expiry away from it for so long. `meta`: what is beside it. Where there are no
 * locks, expiry cannot have one either, and removes nothing: then reading goes on without. So it does, with a warning,
 * where only we cannot lock: a restore in an emergency is not refused for want of a program.
 * @throws HoldfastError `backup_expired`, `locked`
 */
export async function withReaderLock<T>(meta: string, work: () => Promise<T>): Promise<T> {
  let begun = false;
  const begin = () => {
    begun = true;
    return work();
  };
  try {
    return await withLock(meta, { shared: true, wait: readersWait }, begin);
  } catch (error) {
    if (begun || !(error instanceof HoldfastError)) throw error;
    if (error.code === 'lock_failed') warn(error);
    if (isWithoutLocks(error)) return work();
    if (error.code !== 'lock_gone') throw error;
    throw new HoldfastError('failed', `the backup of "${meta}" is gone: it has expired in this moment`, {
      code: 'backup_expired',
      hint: 'choose another one: "holdfast restore --list" shows what there is',
      cause: error,
    });
  }
}

/** Whether nobody, or only this process, can have a lock there: other means have to do. */
export function isWithoutLocks(error: unknown): boolean {
  return error instanceof HoldfastError && ['lock_unsupported', 'lock_failed'].includes(error.code);
}

function warn({ message, hint }: HoldfastError): void {
  process.stderr.write(
    `holdfast: warning: ${message}; it is read all the same: run no expiry meanwhile (${hint})\n`,
  );
}

/** Expiry has it alone for as long as it takes to rename two directories. */
const readersWait = 10_000;

/** What stands for a directory: network file systems lock for one alone only what can be written to. */
const inDirectory = ['backup.json', 'cluster.json'];

async function openLockable(
  path: string,
  { shared }: LockOptions,
): Promise<{ file: FileHandle; locked: string }> {
  const stats = await stat(path).catch(explainAbsence(path));
  const [directory, names] = stats.isDirectory()
    ? [path, [...inDirectory, '']]
    : [dirname(path), [basename(path)]];
  return within(directory, async (at) => {
    for (const name of names) {
      const locked = join(directory, name);
      try {
        const file = await (name === '' ? open(at, 'r') : openAs(join(at, name), shared));
        return { file, locked };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
        const refused = linkRefused(error, locked);
        throw refused instanceof HoldfastError ? refused : failed(path, messageOf(error), error);
      }
    }
    throw gone(path);
  }).catch(explainAbsence(path));
}

/** For writing only where that is possible: a directory and what is read-only can be locked on most file systems, too. */
async function openAs(path: string, shared: boolean): Promise<FileHandle> {
  const forReading = constants.O_RDONLY | noFollow;
  if (shared) return open(path, forReading);
  return open(path, constants.O_RDWR | noFollow).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') throw error;
    return open(path, forReading);
  });
}

/** flock(1)'s own exit status where somebody else has it. */
const conflict = 75;
/** And those where the system call fails (EX_DATAERR, EX_OSERR). */
const refusals = [65, 71];

async function take(file: FileHandle, path: string, { shared, wait }: LockOptions): Promise<void> {
  const patience = wait > 0 ? ['--timeout', String(wait / 1000)] : ['--nonblock'];
  const kind = shared ? '--shared' : '--exclusive';
  const args = [kind, ...patience, '--conflict-exit-code', String(conflict), '3'];
  const { status, complaint } = await runFlock(args, file).catch((error: unknown) => {
    throw failed(path, `flock(1) cannot be run: ${messageOf(error)}`, error);
  });
  if (status === 0) return;
  if (refusals.includes(Number(status))) throw unsupported(path, complaint);
  if (status !== conflict) throw failed(path, complaint || `flock(1) ended with ${status}`);
  const holder = shared ? 'is about to be removed or changed' : 'is in use';
  throw new HoldfastError('failed', `"${path}" ${holder}: another process has its lock`, {
    code: 'locked',
    hint: 'try again when that is done; "fuser -v" and lslocks(8) show whose it is',
  });
}

function runFlock(
  args: string[],
  file: FileHandle,
): Promise<{ status: number | string | null; complaint: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn('flock', args, { stdio: ['ignore', 'ignore', 'pipe', file.fd] });
    let complaint = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (complaint += text));
    child.once('error', reject);
    child.once('close', (status, signal) =>
      resolve({ status: status ?? signal, complaint: complaint.trim() }),
    );
  });
}

function explainAbsence(path: string) {
  return (error: NodeJS.ErrnoException): never => {
    if (error instanceof HoldfastError) throw error;
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') throw gone(path);
    throw failed(path, messageOf(error), error);
  };
}

function gone(path: string): HoldfastError {
  return new HoldfastError('failed', `"${path}" cannot be locked: it is not there`, { code: 'lock_gone' });
}

function unsupported(path: string, complaint: string): HoldfastError {
  return new HoldfastError('failed', `"${path}" cannot be locked: ${complaint}`, {
    code: 'lock_unsupported',
    hint: 'use a file system with locks',
  });
}

function failed(path: string, reason: string, cause?: unknown): HoldfastError {
  return new HoldfastError('failed', `"${path}" cannot be locked: ${reason}`, {
    code: 'lock_failed',
    hint: 'install util-linux for flock(1), and give this user the right to read what is locked',
    cause,
  });
}
