/** Hints that several findings share. */

/** Hint for a cluster without worker. */
export const startWorker = 'start one with "holdfast worker"';

/** Hint for a cluster without backup. */
export function takeBackup(cluster: string): string {
  const which = cluster === 'main' ? '' : ` --cluster ${cluster}`;
  return `take one with "holdfast start --method copy${which}"`;
}
