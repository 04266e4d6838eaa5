/**
 * Whether a PostgreSQL server runs on a data directory. A copy of one has the postmaster.pid of the server that
 * was copied, which may well be alive, elsewhere; so this looks at what the process does, not at its number alone.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive, seesAllProcesses } from '../system/process-identity.ts';

export type PostmasterLock =
  | { state: 'none' }
  /** postmaster.pid is there, and no server on this directory. */
  | { state: 'stale'; pid: number }
  | { state: 'running'; pid: number }
  /** A process with that number is there, and what it is cannot be seen; or it may be in another container. */
  | { state: 'unclear'; pid: number; alive: boolean };

export async function serverLock(dataDirectory: string): Promise<PostmasterLock> {
  const server = await serverIn(dataDirectory);
  if (server !== undefined) return { state: 'running', pid: server };

  const text = await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8').catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    },
  );
  if (text === undefined) return { state: 'none' };
  // A postmaster forked from a program notes its number as a negative one.
  const pid = Math.abs(Number.parseInt(text, 10)) || 0;
  if (pid === 0) return { state: 'stale', pid };
  if (!isAlive(pid)) {
    const isOver = seesAllProcesses() || !(await wasWrittenHere(text, dataDirectory));
    return isOver ? { state: 'stale', pid } : { state: 'unclear', pid, alive: false };
  }
  const elsewhere = await worksIn(pid, dataDirectory);
  return elsewhere === false ? { state: 'stale', pid } : { state: 'unclear', pid, alive: true };
}

/** The postmaster that works in this directory; undefined: none is seen. */
export async function postmasterIn(dataDirectory: string): Promise<number | undefined> {
  const text = await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8').catch(() => '');
  const pid = Number.parseInt(text, 10);
  return pid > 0 && (await worksIn(pid, dataDirectory)) === true ? pid : undefined;
}

/** How often a server may have had to take the next key, as others had the one before. */
const mostKeysTaken = 100n;

/**
 * Whether a server on this very directory wrote its postmaster.pid, and not one on what this is a copy of: the key of
 * its shared memory, in the seventh line, is the directory's inode (src/backend/port/sysv_shmem.c).
 */
async function wasWrittenHere(text: string, dataDirectory: string): Promise<boolean> {
  const [, key] = /^ *(\d+) +\d+ *$/.exec(text.split('\n')[6] ?? '') ?? [];
  // A server has noted it before it does anything else there.
  if (key === undefined) return false;
  const { ino } = await stat(dataDirectory, { bigint: true });
  return BigInt.asUintN(32, BigInt(key) - ino) <= mostKeysTaken;
}

/** The server's processes work in its data directory; this also finds one that sees it under another path. */
async function serverIn(dataDirectory: string): Promise<number | undefined> {
  const entries = await readdir('/proc').catch(() => []);
  for (const entry of entries.filter((name) => /^\d+$/.test(name))) {
    const command = await readFile(`/proc/${entry}/comm`, 'utf8').catch(() => '');
    if (!/^(postgres|postmaster)/.test(command)) continue;
    if ((await worksIn(Number(entry), dataDirectory)) === true) return Number(entry);
  }
  return undefined;
}

/** undefined: it cannot be seen. */
async function worksIn(pid: number, directory: string): Promise<boolean | undefined> {
  const [its, ours] = await Promise.all([stat(`/proc/${pid}/cwd`).catch(() => undefined), stat(directory)]);
  return its === undefined ? undefined : its.dev === ours.dev && its.ino === ours.ino;
}
