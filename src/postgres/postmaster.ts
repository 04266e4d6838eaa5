/**
 * Finds out whether a PostgreSQL server runs on a data directory. A copy of a data directory has the postmaster.pid
 * of the original server, which may run elsewhere. Therefore the working directory of the process is checked, not
 * only the pid.
 */
import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive, seesAllProcesses } from '../system/process-identity.ts';
import { readSmallFile } from '../system/small-file.ts';

/** The state of a data directory. */
export type PostmasterLock =
  | { state: 'none' }
  /** postmaster.pid exists, but no server runs on this directory. */
  | { state: 'stale'; pid: number }
  | { state: 'running'; pid: number }
  /** A process with the pid exists but cannot be examined, or may exist in another container. */
  | { state: 'unclear'; pid: number; alive: boolean };

/** Determines the state of a data directory. */
export async function serverLock(dataDirectory: string): Promise<PostmasterLock> {
  const server = await serverIn(dataDirectory);
  if (server !== undefined) return { state: 'running', pid: server };

  const text = await noteIn(dataDirectory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return { state: 'none' };
  // In a postmaster.pid of single-user mode, the pid is negative.
  const pid = Math.abs(Number.parseInt(text, 10)) || 0;
  if (pid === 0) return { state: 'stale', pid };
  if (!isAlive(pid)) {
    const isOver = seesAllProcesses() || !(await wasWrittenHere(text, dataDirectory));
    return isOver ? { state: 'stale', pid } : { state: 'unclear', pid, alive: false };
  }
  const elsewhere = await worksIn(pid, dataDirectory);
  return elsewhere === false ? { state: 'stale', pid } : { state: 'unclear', pid, alive: true };
}

/** Returns the pid of the postmaster whose working directory this is; undefined where none is found. */
export async function postmasterIn(dataDirectory: string): Promise<number | undefined> {
  const text = await noteIn(dataDirectory).catch(() => '');
  const pid = Number.parseInt(text, 10);
  return pid > 0 && (await worksIn(pid, dataDirectory)) === true ? pid : undefined;
}

/** The content of postmaster.pid. */
async function noteIn(dataDirectory: string): Promise<string> {
  return (await readSmallFile(join(dataDirectory, 'postmaster.pid'))).toString('utf8');
}

/** The number of shared memory keys that a server may have skipped because other servers used them. */
const mostKeysTaken = 100n;

/**
 * Whether a server on this very directory wrote postmaster.pid, and not a server on the original of a copy. The key
 * of the shared memory segment, in the seventh line, is derived from the inode number of the directory
 * (src/backend/port/sysv_shmem.c).
 */
async function wasWrittenHere(text: string, dataDirectory: string): Promise<boolean> {
  const [, key] = /^ *(\d+) +\d+ *$/.exec(text.split('\n')[6] ?? '') ?? [];
  // A server writes the key before the server changes other files.
  if (key === undefined) return false;
  const { ino } = await stat(dataDirectory, { bigint: true });
  return BigInt.asUintN(32, BigInt(key) - ino) <= mostKeysTaken;
}

/**
 * Returns the pid of a server whose working directory is the data directory, even if the server uses another path for
 * it; undefined where none is found.
 */
async function serverIn(dataDirectory: string): Promise<number | undefined> {
  const entries = await readdir('/proc').catch(() => []);
  for (const entry of entries.filter((name) => /^\d+$/.test(name))) {
    const command = await readFile(`/proc/${entry}/comm`, 'utf8').catch(() => '');
    if (!/^(postgres|postmaster)/.test(command)) continue;
    if ((await worksIn(Number(entry), dataDirectory)) === true) return Number(entry);
  }
  return undefined;
}

/**
 * Whether the working directory of a process is the directory, as a postmaster's is its data directory; undefined where
 * that cannot be examined. A process that has ended has none, even while its parent has not asked how it ended.
 */
export async function worksIn(pid: number, directory: string): Promise<boolean | undefined> {
  const hasEnded = ({ code }: NodeJS.ErrnoException) => code === 'ENOENT' && existsSync(`/proc/${pid}`);
  const [its, ours] = await Promise.all([stat(`/proc/${pid}/cwd`).catch(hasEnded), stat(directory)]);
  if (typeof its === 'boolean') return its ? false : undefined;
  return its.dev === ours.dev && its.ino === ours.ino;
}
