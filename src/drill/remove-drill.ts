/** Removes the scratch directory of a drill. */
import { setTimeout as sleep } from 'node:timers/promises';
import { removeTree } from '../system/remove-tree.ts';

/**
 * Removes a scratch directory, with up to 20 attempts. The prefetch of WAL segments ends by itself, and may
 * still write a file meanwhile.
 */
export async function removeDrill(directory: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await removeTree(directory);
      return;
    } catch (error) {
      if (attempt === 20) throw error;
      await sleep(100);
    }
  }
}
