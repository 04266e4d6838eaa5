/** Removes a drill's directory with all that is in it. */
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

/** What reads WAL ahead for recovery ends by itself, and may write a last file meanwhile. */
export async function removeTree(directory: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await (process.getuid?.() === 0 ? removeAsRoot(directory) : remove(directory));
      return;
    } catch (error) {
      if (attempt === 20) throw error;
      await sleep(100);
    }
  }
}

/** Unlike Node, rm(1) is not led out of the tree by who owns a part of it and puts a link there just then. */
async function removeAsRoot(directory: string): Promise<void> {
  await promisify(execFile)('rm', ['-rf', '--', directory]).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return remove(directory);
  });
}

function remove(directory: string): Promise<void> {
  return rm(directory, { recursive: true, force: true, maxRetries: 3 });
}
