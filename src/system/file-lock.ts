/**
 * Locks in the repository, between processes, and between hosts where the file system's locks work across hosts. A
 * lock belongs to a file that this process has open, so that the kernel releases the lock when the process ends. Node
 * has no function for such locks: flock(1) locks the inherited descriptor and exits before the work begins.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { linkRefused, noFollow, within } from './held-directory.ts';

/** The kind of lock, and how long to wait for the lock. */
export interface LockOptions {
  /** true: shared with other shared locks, but not with an exclusive one. false: exclusive. */
  shared: boolean;
  /** Milliseconds to wait for the lock; 0: try once. */
  wait: number;
}

/**
 * Runs `work` while holding the lock of an existing file or directory.
 * @throws HoldfastError `locked` where another process holds the lock; `lock_gone` where `path` does not exist or is
 * removed meanwhile; `lock_unsupported` where the file system does not support locks; `lock_failed` where this
 * process cannot lock
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
 * Runs `work` while holding a shared lock of a backup, so that an expiry does not remove the backup. `meta`: the
 * .meta directory of the backup. Where the file system does not support locks, `work` runs without: an expiry cannot
 * lock either, and removes nothing. Where only this process cannot lock, `work` runs with a warning: an emergency
 * restore is not refused because flock(1) is missing.
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
      hint: 'choose another backup: "holdfast restore --list" shows them',
      cause: error,
    });
  }
}

/**
 * Holds a lock for longer than one call. `withIt`: calls withLock() or withReaderLock().
 * @returns a function that releases the lock
 * @throws the error of `withIt`
 */
export async function holdLock(
  withIt: (work: () => Promise<void>) => Promise<void>,
): Promise<() => Promise<void>> {
  const begun = Promise.withResolvers<void>();
  const over = Promise.withResolvers<void>();
  const held = withIt(() => {
    begun.resolve();
    return over.promise;
  });
  held.catch(begun.reject);
  await begun.promise;
  return async () => {
    over.resolve();
    await held.catch(() => undefined);
  };
}

/**
 * Whether the error means that the file system does not support locks, or that this process cannot lock. The caller
 * needs another means then.
 */
export function isWithoutLocks(error: unknown): boolean {
  return error instanceof HoldfastError && ['lock_unsupported', 'lock_failed'].includes(error.code);
}

function warn({ message, hint }: HoldfastError): void {
  process.stderr.write(
    `holdfast: warning: ${message}; it is read all the same: run no expiry meanwhile (${hint})\n`,
  );
}

/** Milliseconds. An expiry holds the exclusive lock only while it renames two directories. */
const readersWait = 10_000;

/**
 * The files that are locked instead of their directory: network file systems allow exclusive locks only for files
 * open for writing.
 */
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

/**
 * Opens for writing if possible, for an exclusive lock. On most file systems, directories and read-only files can be
 * locked as well.
 */
async function openAs(path: string, shared: boolean): Promise<FileHandle> {
  const forReading = constants.O_RDONLY | constants.O_NONBLOCK | noFollow;
  if (shared) return open(path, forReading);
  return open(path, constants.O_RDWR | constants.O_NONBLOCK | noFollow).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') throw error;
      return open(path, forReading);
    },
  );
}

/** The exit status of flock(1) where another process holds the lock; set with --conflict-exit-code. */
const conflict = 75;
/** The exit statuses of flock(1) where the system call fails (EX_DATAERR, EX_OSERR). */
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
    hint: `type "fuser -v ${path}" to see that process, and try again when it has ended`,
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
    hint: 'move it to a local file system, or mount its file system with locks',
  });
}

function failed(path: string, reason: string, cause?: unknown): HoldfastError {
  return new HoldfastError('failed', `"${path}" cannot be locked: ${reason}`, {
    code: 'lock_failed',
    hint: 'install util-linux for flock(1), and give this user the right to read what is locked',
    cause,
  });
}
