/** What several findings say to type. */

export const startWorker = 'start one with "holdfast worker"';

export function takeBackup(cluster: string): string {
  const which = cluster === 'main' ? '' : ` --cluster ${cluster}`;
  return `take one with "holdfast start --method copy${which}"`;
}
