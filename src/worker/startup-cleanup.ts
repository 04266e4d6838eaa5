/**
 * Removes from the repository the unfinished backups of killed workers. Only a backup whose request no living
 * worker holds, and whose writer is known to be gone, is removed. A listed backup is never removed.
 */
import { join } from 'node:path';
import type { ClusterConfig } from '../config/config.ts';
import type { ControlLink } from '../control/control-link.ts';
import { unfinishedRequests } from '../control/backup-requests.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { findLeftovers, removeLeftover } from '../repository/unfinished-backup.ts';

/** Removes the unfinished backups of some clusters. An error in one cluster is logged as a warning. */
export async function cleanUpAtStart(
  control: ControlLink,
  repository: string,
  clusters: readonly string[],
  log: Log,
): Promise<void> {
  for (const cluster of clusters) {
    await tidy(control, join(repository, cluster), cluster, log).catch((error: unknown) =>
      log.warning('cannot clean up the repository', { cluster, reason: messageOf(error) }),
    );
  }
}

/** Removes the directories of killed drills, and ends the servers that may still run there. */
export async function removeAbandonedDrills(clusters: readonly ClusterConfig[], log: Log): Promise<void> {
  const directories = clusters.flatMap(({ drillDirectory }) =>
    drillDirectory === undefined ? [] : [drillDirectory],
  );
  for (const drillDirectory of new Set(directories)) {
    try {
      const { removeAbandoned } = await import('../drill/abandoned-drills.ts');
      for (const { directory, server } of await removeAbandoned(drillDirectory))
        log.warning('removed what a drill that was killed had left', { directory, server });
    } catch (error) {
      log.warning('cannot clean up the directory of drills', {
        directory: drillDirectory,
        reason: messageOf(error),
      });
    }
  }
}

async function tidy(control: ControlLink, directory: string, cluster: string, log: Log): Promise<void> {
  const leftovers = await findLeftovers(directory);
  if (leftovers.length === 0) return;
  const live = await control.run(unfinishedRequests);
  const held = live.filter((request) => request.cluster === cluster && request.workerAlive);
  for (const leftover of leftovers) {
    if (held.some(({ id }) => id === leftover.id)) continue;
    if (leftover.writerIsGone) {
      await removeLeftover(directory, leftover);
      log.info('removed what a killed worker left unfinished', { cluster, backup: leftover.name });
    } else {
      log.warning('left an unfinished backup alone: its writer runs on another host, or still', {
        cluster,
        backup: leftover.name,
      });
    }
  }
}
