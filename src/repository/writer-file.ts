/**
 * The owner file beside an unfinished backup identifies the process that writes the backup. That process holds a lock
 * on the file for as long as the process lives. A process on another host, in another pid namespace or from before a
 * reboot cannot be seen, and is not taken for dead for that reason alone.
 */
import { readdir, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { parseProcess, processState, stateOfPid, thisProcess } from '../system/process-identity.ts';
import { HoldfastError } from '../errors.ts';
import { writeSynced } from '../system/durable-files.ts';
import { beside } from '../system/held-directory.ts';
import { isOlderThan } from '../system/temporary-files.ts';
import { holdLock, isWithoutLocks, withLock } from '../system/file-lock.ts';
import { readSmallFile } from '../system/small-file.ts';

const fileMode = 0o600;
/** Milliseconds without a write after which an invisible writer is taken for dead although nobody holds the lock. */
const unlockedFor = 3_600_000;
/** The same where the file system does not support locks. Milliseconds. */
const silentFor = 24 * 3_600_000;

/** Milliseconds. Whoever finds the new file unlocked holds its lock for a moment, to know that. */
const othersLook = 10_000;

/** Creates the owner file and locks the file. @returns a function that releases the lock */
export async function claimAsOwner(file: string): Promise<() => Promise<void>> {
  await beside(file, (at) => writeSynced(at, Buffer.from(JSON.stringify(thisProcess())), fileMode));
  return holdLock((work) => withLock(file, { shared: false, wait: othersLook }, work)).catch(
    (error: unknown) => {
      if (!isWithoutLocks(error)) throw error; // without locks, the name of the process has to suffice
      return async () => undefined;
    },
  );
}

/**
 * Whether the writer of an unfinished backup is dead. `unfinished`: the directory of the backup. A missing owner file
 * means that the host crashed before the file was durable.
 */
export async function ownerIsGone(file: string, unfinished: string): Promise<boolean> {
  const found = await readSmallFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (found === undefined) return true;
  const state = stateOf(found.toString());
  if (state !== 'unknown') return state === 'gone';
  const locked = await lockOf(file);
  if (locked === 'gone') return true; // the owner file has been removed
  if (locked === 'held') return false;
  const patience = locked === 'free' ? unlockedFor : silentFor;
  return isOlderThan(patience, await lastWrite(file, unfinished), dirname(file));
}

function stateOf(text: string): 'alive' | 'gone' | 'unknown' {
  const owner = parsed(text);
  const process = parseProcess(owner);
  if (process !== undefined) return processState(process);
  // Earlier releases wrote host, pid and start time.
  const { host, pid, startedAt } = (owner ?? {}) as Record<string, unknown>;
  if (typeof pid !== 'number' || host !== hostname()) return 'unknown';
  return stateOfPid(pid, startedAt);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the file is being written, or was truncated by a crash
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

/**
 * The latest modification time of the owner file and of the backup's directory and files. Milliseconds since 1970; 0
 * where unknown.
 */
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
