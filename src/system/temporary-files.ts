/**
 * Names temporary files, and removes those of killed processes. The name identifies the process, so that a file in
 * use by another container or another host is not removed.
 */
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
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
  return found !== undefined && Date.now() - found.mtimeMs > abandonedAfter;
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
