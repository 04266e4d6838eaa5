/** Writes the holds and keeps of a worker's clusters beside their backups as soon as they are placed. */
import { messageOf } from '../errors.ts';
import { bringHoldsTogether } from '../retention/hold-files.ts';
import { everyCluster, type EveryClusterOptions } from './every-cluster.ts';
import type { PeriodicTask } from './periodic-task.ts';

/** Milliseconds. A notification is quicker than the look. */
const lookEvery = 60_000;

export function holdsService(options: EveryClusterOptions): PeriodicTask {
  return everyCluster(options, {
    every: lookEvery,
    look: bringHoldsTogether,
    onFailure: (cluster, error) =>
      options.log.warning('cannot see what holds the backups of a cluster', {
        cluster,
        reason: messageOf(error),
      }),
  });
}
