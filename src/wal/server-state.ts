/**
 * Finds out from postmaster.pid whether a server runs on a data directory. Without a server, files must not be
 * removed: pg_rewind lists the files first, and fails where a listed file has disappeared.
 */
import { join } from 'node:path';
import { worksIn } from '../postgres/postmaster.ts';
import { readSmallFile } from '../system/small-file.ts';

/**
 * The index of the status line in postmaster.pid (src/include/utils/pidfile.h: LOCK_FILE_LINE_PM_STATUS), counted
 * from 0.
 */
const statusLine = 7;

/**
 * Returns the pid of the postmaster. Returns undefined where no server runs, where the server is stopping, and in
 * single-user mode, where the pid in the file is negative.
 */
export async function serverPid(dataDirectory: string): Promise<number | undefined> {
  const text = await readSmallFile(join(dataDirectory, 'postmaster.pid')).then(String, () => '');
  const lines = text.split('\n');
  const pid = Number(lines[0] || Number.NaN);
  if (!Number.isSafeInteger(pid) || pid <= 0 || lines[statusLine]?.trim() === 'stopping') return undefined;
  return pid;
}

/** Whether there is no server, not even one that is stopping: tools may be at work. */
async function isWithoutServer(dataDirectory: string): Promise<boolean> {
  const text = await readSmallFile(join(dataDirectory, 'postmaster.pid')).then(String, () => '');
  return !/^[1-9]/.test(text);
}

/** Returns a function that says whether files below pg_wal may change: until a server that is there now has stopped. */
export async function untilServerStops(dataDirectory: string): Promise<() => Promise<boolean>> {
  const hadServer = !(await isWithoutServer(dataDirectory));
  return async () => !hadServer || !(await isWithoutServer(dataDirectory));
}

/**
 * Whether the server runs in this pid namespace. The pid of a server that was killed may be another process's by now.
 * As in PostgreSQL, a process that this user may not send signals to is not the server: the callers run as its user.
 */
export async function serverRuns(dataDirectory: string): Promise<boolean> {
  const pid = await serverPid(dataDirectory);
  if (pid === undefined || !maySignal(pid)) return false;
  return (await worksIn(pid, dataDirectory).catch(() => false)) !== false;
}

function maySignal(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
