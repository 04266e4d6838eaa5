/** Removes a directory with all that is in it. */
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { promisify } from 'node:util';

/** Unlike Node, rm(1) is not led out of the tree by who owns a part of it and puts a link there just then. */
export async function removeTree(path: string): Promise<void> {
  if (process.getuid?.() !== 0) return remove(path);
  // By its name alone: the directory that it is in may be one that only this process has open.
  const args = ['-rf', '--', `./${basename(path)}`];
  await promisify(execFile)('rm', args, { cwd: dirname(path) }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return remove(path);
  });
}

function remove(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true, maxRetries: 3 });
}
