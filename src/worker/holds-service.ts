/** Writes the holds and keeps of a worker's clusters next to their backups as soon as they are set. */
import { messageOf } from '../errors.ts';
import { bringHoldsTogether } from '../retention/hold-files.ts';
import { everyCluster } from './every-cluster.ts';
import type { PeriodicTask } from './periodic-task.ts';
import type { ServersContext } from './service-context.ts';

/** Milliseconds between two looks. A notification starts a look at once. */
const lookEvery = 60_000;

/** The task that runs `bringHoldsTogether` for every cluster. */
export function holdsService(options: ServersContext): PeriodicTask {
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
