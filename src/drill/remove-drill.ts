/** Removes a drill's directory with all that is in it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { removeTree } from '../system/remove-tree.ts';

/** What reads WAL ahead for recovery ends by itself, and may write a last file meanwhile. */
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
