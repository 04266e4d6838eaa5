/**
 * Whether a server runs on a data directory, as its postmaster.pid says to processes beside it. While none does, the
 * directory is the tools': pg_rewind lists its files first, and fails where one of them has gone when it comes to it.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive } from '../system/process-identity.ts';

/** Of postmaster.pid (src/include/utils/pidfile.h: LOCK_FILE_LINE_PM_STATUS), counted from 0. */
const statusLine = 7;

/** none: nor is one that is about to stop, or that runs for single-user mode, which notes a negative pid. */
export async function serverPid(dataDirectory: string): Promise<number | undefined> {
  const text = await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8').catch(() => '');
  const lines = text.split('\n');
  const pid = Number(lines[0] || Number.NaN);
  if (!Number.isSafeInteger(pid) || pid <= 0 || lines[statusLine]?.trim() === 'stopping') return undefined;
  return pid;
}

/** In this pid namespace. */
export async function serverRuns(dataDirectory: string): Promise<boolean> {
  const pid = await serverPid(dataDirectory);
  return pid !== undefined && isAlive(pid);
}
