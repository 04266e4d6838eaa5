/**
 * Removes from the repository what workers that were killed left unfinished: of requests that no living worker holds,
 * and whose writer is known to be gone. Never a backup that is listed.
 */
import type { ControlLink } from '../control/control-link.ts';
import { liveRequests } from '../control/requests.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { findLeftovers, removeLeftover } from '../repository/unfinished-backup.ts';

export async function removeLeftovers(
  control: ControlLink,
  clusterDirectory: string,
  cluster: string,
  log: Log,
): Promise<void> {
  try {
    const leftovers = await findLeftovers(clusterDirectory);
    if (leftovers.length === 0) return;
    const live = await control.run(liveRequests);
    const held = live.filter((request) => request.cluster === cluster && request.workerAlive);
    for (const leftover of leftovers) {
      if (held.some(({ id }) => id === leftover.id)) continue;
      if (leftover.writerIsGone) {
        await removeLeftover(clusterDirectory, leftover);
        log.info('removed what a killed worker left unfinished', { cluster, backup: leftover.name });
      } else {
        log.warning('left an unfinished backup alone: its writer runs on another host, or still', {
          cluster,
          backup: leftover.name,
        });
      }
    }
  } catch (error) {
    log.warning('cannot tidy the repository', { cluster, reason: messageOf(error) });
  }
}
