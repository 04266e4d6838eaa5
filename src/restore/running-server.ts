/**
 * Whether a PostgreSQL server runs on a data directory. A copy of one has the postmaster.pid of the server that
 * was copied, which may well be alive, elsewhere; so this looks at what the process does, not at its number alone.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive } from '../identity/process.ts';

export type Lock =
  | { state: 'none' }
  /** postmaster.pid is there, and no server on this directory. */
  | { state: 'stale'; pid: number }
  | { state: 'running'; pid: number }
  /** A process with that number is there, and what it is cannot be seen. */
  | { state: 'unclear'; pid: number };

export async function serverLock(dataDirectory: string): Promise<Lock> {
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
  if (pid === 0 || !isAlive(pid)) return { state: 'stale', pid };
  const elsewhere = await worksIn(pid, dataDirectory);
  return { state: elsewhere === false ? 'stale' : 'unclear', pid };
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
