/**
 * Who writes an unfinished backup: a file beside it names the process, and is locked by it for as long as it lives. A
 * writer that cannot be seen from here (another host or pid namespace, or before a reboot) is not gone for that.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import {
  isAlive,
  parseProcess,
  processStart,
  processState,
  thisProcess,
} from '../system/process-identity.ts';
import { HoldfastError } from '../errors.ts';
import { writeSynced } from '../system/durable-files.ts';
import { beside } from '../system/held-directory.ts';
import { isWithoutLocks, withLock } from '../system/file-lock.ts';

const fileMode = 0o600;
/** Milliseconds without a write, after which a writer that cannot be seen is gone: nobody has the lock. */
const unlockedFor = 3_600_000;
/** Milliseconds, where locks are not to be had. */
const silentFor = 24 * 3_600_000;

/** Creates the file. @returns what lets the lock go */
export async function claimAsOwner(file: string): Promise<() => Promise<void>> {
  await beside(file, (at) => writeSynced(at, Buffer.from(JSON.stringify(thisProcess())), fileMode));
  const begun = Promise.withResolvers<void>();
  const over = Promise.withResolvers<void>();
  const held = withLock(file, { shared: false, wait: 0 }, () => {
    begun.resolve();
    return over.promise;
  });
  held.catch(begun.reject);
  await begun.promise.catch((error: unknown) => {
    if (!isWithoutLocks(error)) throw error; // the process's name has to do
  });
  return async () => {
    over.resolve();
    await held.catch(() => undefined);
  };
}

/** `unfinished`: the directory that it writes. Without a name of the owner's, only a crash of the host left it so. */
export async function ownerIsGone(file: string, unfinished: string): Promise<boolean> {
  const found = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (found === undefined) return true;
  const state = stateOf(found);
  if (state !== 'unknown') return state === 'gone';
  const locked = await lockOf(file);
  if (locked === 'gone') return true; // the file, by now
  if (locked === 'held') return false;
  const silent = Date.now() - (await lastWrite(file, unfinished));
  return silent > (locked === 'free' ? unlockedFor : silentFor);
}

function stateOf(text: string): 'alive' | 'gone' | 'unknown' {
  const owner = parsed(text);
  const process = parseProcess(owner);
  if (process !== undefined) return processState(process);
  // Of an earlier release: host, pid and start.
  const { host, pid, startedAt } = (owner ?? {}) as Record<string, unknown>;
  if (typeof pid !== 'number' || host !== hostname()) return 'unknown';
  return isAlive(pid) && processStart(pid) === startedAt ? 'alive' : 'gone';
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // being written, or cut off by a crash
  }
}

async function lockOf(file: string): Promise<'held' | 'free' | 'gone' | 'unknown'> {
  try {
    await withLock(file, { shared: false, wait: 0 }, async () => undefined);
    return 'free';
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    if (error.code === 'locked') return 'held';
    return error.code === 'lock_gone' ? 'gone' : 'unknown';
  }
}

/** As far as it is known, in milliseconds since 1970. */
async function lastWrite(file: string, directory: string): Promise<number> {
  const names = await readdir(directory).catch((): string[] => []);
  const paths = [file, directory, ...names.map((name) => join(directory, name))];
  const times = await Promise.all(
    paths.map((path) =>
      stat(path)
        .then((it) => it.mtimeMs)
        .catch(() => 0),
    ),
  );
  return Math.max(...times);
}
