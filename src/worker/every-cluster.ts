/** Looks after the repositories of a worker's clusters, again and again; one that cannot be looked at leaves out no other. */
import { join } from 'node:path';
import type { Target } from '../backup/target.ts';
import type { Config } from '../config/config.ts';
import type { Connection } from '../control/connection.ts';
import type { ControlLink } from '../control/control-link.ts';
import type { Log } from '../log.ts';
import { Every } from './every.ts';

export interface EveryClusterOptions {
  control: ControlLink;
  targets: ReadonlyMap<string, Target>;
  config: Config;
  log: Log;
}

export interface ClusterLook {
  /** Milliseconds. */
  every: number;
  look: (scene: {
    cluster: string;
    clusterDirectory: string;
    control: <T>(work: (db: Connection) => Promise<T>) => Promise<T>;
    log: Log;
  }) => Promise<unknown>;
  /** Says so. */
  onFailure: (cluster: string, error: unknown) => void;
}

export function everyCluster(
  { control, targets, config, log }: EveryClusterOptions,
  { every, look, onFailure }: ClusterLook,
): Every {
  const lookAtAll = async () => {
    for (const cluster of targets.keys()) {
      const clusterDirectory = join(config.worker.repository, cluster);
      await look({ cluster, clusterDirectory, control: (work) => control.run(work), log }).catch(
        (error: unknown) => onFailure(cluster, error),
      );
    }
  };
  return new Every(every, lookAtAll, log);
}
