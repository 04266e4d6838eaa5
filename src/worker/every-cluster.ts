/**
 * Looks after the repositories of a worker's clusters, again and again; one that cannot be looked at leaves out no
 * other, and one that is not ours is left alone.
 */
import { join } from 'node:path';
import { standing, type RepositoryUse } from '../chores/repository-use.ts';
import type { ClusterServer } from '../server/cluster-server.ts';
import type { Config } from '../config/config.ts';
import type { ControlLink } from '../control/control-link.ts';
import { HoldfastError } from '../errors.ts';
import type { Log } from '../log.ts';
import { PeriodicTask } from './periodic-task.ts';

export interface EveryClusterOptions {
  control: ControlLink;
  servers: ReadonlyMap<string, ClusterServer>;
  config: Config;
  log: Log;
}

export interface ClusterLook {
  /** Milliseconds. */
  every: number;
  look: (scene: RepositoryUse & { log: Log }) => Promise<unknown>;
  /** Says so. */
  onFailure: (cluster: string, error: unknown) => void;
}

export function everyCluster(
  { control, servers, config, log }: EveryClusterOptions,
  { every, look, onFailure }: ClusterLook,
): PeriodicTask {
  const lookAtAll = async () => {
    for (const cluster of servers.keys()) {
      const clusterDirectory = join(config.worker.repository, cluster);
      const use: RepositoryUse = { cluster, clusterDirectory, control: (work) => control.run(work) };
      try {
        if (await isOurs(use)) await look({ ...use, log });
      } catch (error) {
        onFailure(cluster, error);
      }
    }
  };
  return new PeriodicTask(every, lookAtAll, log);
}

/** What is wrong with one that is not ours is said by who looks for that: see repositories.ts. */
async function isOurs(use: RepositoryUse): Promise<boolean> {
  try {
    return (await standing(use)) === 'ours';
  } catch (error) {
    if (error instanceof HoldfastError) return false;
    throw error;
  }
}
