/** Removes directory trees. */
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { promisify } from 'node:util';

/**
 * Removes `path` and all files below it. As root, rm(1) does the work: unlike Node's rm(), rm(1) cannot be led out of
 * the tree by a user who replaces a directory by a symbolic link meanwhile.
 */
export async function removeTree(path: string): Promise<void> {
  if (process.getuid?.() !== 0) return remove(path);
  // By name within its directory, because `path` may lead through a descriptor that only this process has open.
  const args = ['-rf', '--', `./${basename(path)}`];
  await promisify(execFile)('rm', args, { cwd: dirname(path) }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return remove(path);
  });
}

function remove(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true, maxRetries: 3 });
}
