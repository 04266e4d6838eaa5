/**
 * Names of files that somebody is writing, and what is to be done with those whose writer was killed. The name says
 * which process it was, so that nobody removes what another container of this host, or another host, still writes.
 */
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTree } from './remove-tree.ts';
import { processState, thisProcess, type ProcessState } from './process-identity.ts';

/** Milliseconds after which a file that nobody writes any more was left behind, wherever its writer ran. */
const abandonedAfter = 3_600_000;

const separator = '~';

/** Of this process, and of no other call. */
export function temporaryName(name: string): string {
  const { host, boot, pidNamespace, pid, startedAt } = thisProcess();
  const kernel = boot === '' ? `@${host}` : boot.replaceAll('-', '');
  const unique = process.hrtime.bigint().toString(36);
  return [name, kernel, digitsOf(pidNamespace), pid, startedAt, unique].join(separator);
}

/**
 * Removes what writers that were killed have left, of names that begin so: at once where they are known to be gone,
 * after an hour where that cannot be seen.
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

/** unknown: no name of ours, or a process that cannot be seen from here. */
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
