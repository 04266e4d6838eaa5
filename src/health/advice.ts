/** Hints that several findings share. */

/** Hint for a cluster without worker. */
export const startWorker = 'start one with "holdfast worker"';

/** Hint for a cluster without backup. */
export function takeBackup(cluster: string): string {
  return `take one with "${startCopy(cluster)}"`;
}

/** Hint for a cluster whose newest copy cannot be restored. */
export function takeFullCopy(cluster: string): string {
  return `take a full copy with "${startCopy(cluster)}"`;
}

function startCopy(cluster: string): string {
  return `holdfast start --method copy${cluster === 'main' ? '' : ` --cluster ${cluster}`}`;
}
