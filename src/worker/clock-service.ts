/**
 * Records in the repositories of a worker's clusters that time passes. Expiry compares the clock with these
 * records.
 */
import { HoldfastError, messageOf } from '../errors.ts';
import { followClock } from '../retention/judge-clock.ts';
import { everyCluster } from './every-cluster.ts';
import type { PeriodicTask } from './periodic-task.ts';
import type { ServersContext } from './service-context.ts';

/** Milliseconds between two records. */
const lookEvery = 1_800_000;

/**
 * The task that runs `followClock` for every cluster. A clock that is not accepted is logged as a warning.
 */
export function clockService(options: ServersContext): PeriodicTask {
  return everyCluster(options, {
    every: lookEvery,
    look: followClock,
    onFailure: (cluster, error) =>
      options.log.warning('does not take the time of the clock for the present', {
        cluster,
        reason: messageOf(error),
        hint: error instanceof HoldfastError ? error.hint : undefined,
      }),
  });
}
