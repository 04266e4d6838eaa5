/**
 * Runs a periodic job on the repositories of a worker's clusters. An error in one repository does not affect
 * the others, and a repository that this control database does not own is skipped.
 */
import { join } from 'node:path';
import { standing, type RepositoryUse } from '../identity/repository-use.ts';
import { HoldfastError } from '../errors.ts';
import { lookThrough } from '../repository/repository-errors.ts';
import type { Log } from '../log.ts';
import { PeriodicTask } from './periodic-task.ts';
import type { ServersContext } from './service-context.ts';

/** The job. */
export interface ClusterLook {
  /** Milliseconds between two runs. */
  every: number;
  /** The job for one cluster. */
  look: (scene: RepositoryUse & { log: Log }) => Promise<unknown>;
  /** Logs the error of one cluster. */
  onFailure: (cluster: string, error: unknown) => void;
}

/** A task that runs `look` for one cluster after the other. */
export function everyCluster(
  { control, servers, config, log }: ServersContext,
  { every, look, onFailure }: ClusterLook,
): PeriodicTask {
  const lookAtAll = async () => {
    for (const cluster of servers.keys()) {
      const clusterDirectory = join(config.worker.repository, cluster);
      const use: RepositoryUse = { cluster, clusterDirectory, control: (work) => control.run(work) };
      try {
        if (await isOurs(use)) await lookThrough(clusterDirectory, () => look({ ...use, log }));
      } catch (error) {
        onFailure(cluster, error);
      }
    }
  };
  return new PeriodicTask(every, lookAtAll, log);
}

/**
 * Whether this control database owns the repository. A refusal counts as false here: repository-service.ts
 * reports the reason.
 */
async function isOurs(use: RepositoryUse): Promise<boolean> {
  try {
    return (await lookThrough(use.clusterDirectory, () => standing(use))) === 'ours';
  } catch (error) {
    if (error instanceof HoldfastError) return false;
    throw error;
  }
}
