/**
 * Names temporary files, and removes those of killed processes. The name identifies the process, so that a file in
 * use by another container or another host is not removed.
 */
import { lstat, open, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { removeTree } from './remove-tree.ts';
import { processState, thisProcess, type ProcessState } from './process-identity.ts';

/** Milliseconds without a write after which a temporary file is removed, wherever its process ran. */
const abandonedAfter = 3_600_000;

const separator = '~';

/** Returns a unique name that identifies this process. */
export function temporaryName(name: string): string {
  const { host, boot, pidNamespace, pid, startedAt } = thisProcess();
  const kernel = boot === '' ? `@${host}` : boot.replaceAll('-', '');
  const unique = process.hrtime.bigint().toString(36);
  return [name, kernel, digitsOf(pidNamespace), pid, startedAt, unique].join(separator);
}

/**
 * Removes the temporary files of killed processes whose names begin with `name`: at once where the process is known
 * to be gone, and after an hour where the process cannot be seen. Returns the number of removed files.
 */
export async function removeTemporaries(directory: string, name = ''): Promise<number> {
  const names = await readdir(directory).catch(() => []);
  const left: string[] = [];
  for (const found of names)
    if (
      found.startsWith(name) &&
      found.includes(separator) &&
      (await isLeftover(join(directory, found), found))
    )
      left.push(found);
  await Promise.all(left.map((found) => removeTree(join(directory, found))));
  return left.length;
}

async function isLeftover(path: string, name: string): Promise<boolean> {
  const state = writerState(name);
  if (state !== 'unknown') return state === 'gone';
  const found = await lstat(path).catch(() => undefined);
  return found !== undefined && (await isOlderThan(abandonedAfter, found.mtimeMs, dirname(path)));
}

/**
 * Whether a file was written longer ago than `age` (milliseconds), at `written` (milliseconds since 1970). The clock of
 * this host may be ahead of that by which the file is dated: both have to say so. `directory`: where the file is.
 */
export async function isOlderThan(age: number, written: number, directory: string): Promise<boolean> {
  if (Date.now() - written <= age) return false;
  const present = await fileSystemTime(directory, '.time').catch(() => undefined);
  return present !== undefined && present.getTime() - written > age;
}

/**
 * Returns the clock of a file system, which may be that of another host: the modification time of a file that is written now
 * into `directory`. `name`: what its name begins with.
 */
export async function fileSystemTime(directory: string, name: string): Promise<Date> {
  const path = join(directory, temporaryName(name));
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile('.');
    return (await file.stat()).mtime;
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}

/** unknown: the name is not a temporary name, or the process cannot be seen from here. */
function writerState(name: string): ProcessState {
  const [kernel = '', namespace = '', pid = '', startedAt = ''] = name.split(separator).slice(-5);
  const here = thisProcess();
  const boot = here.boot.replaceAll('-', '');
  if (kernel !== (boot === '' ? `@${here.host}` : boot)) return 'unknown';
  if (namespace !== digitsOf(here.pidNamespace)) return 'unknown';
  return processState({ ...here, pid: Number(pid), startedAt });
}

function digitsOf(pidNamespace: string): string {
  return pidNamespace.replaceAll(/\D/g, '');
}
