/** Notes how each cluster's archiver is doing, and what a recovery has left in its configuration, for "holdfast check" and for everybody who reads table cluster. */
import type { ClusterServer } from '../server/cluster-server.ts';
import type { ControlLink } from '../control/control-link.ts';
import { archiver } from '../server/server-queries.ts';
import { reportCluster } from '../control/worker-rows.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';

export async function reportArchivers(
  control: ControlLink,
  targets: Iterable<ClusterServer>,
  log: Log,
): Promise<void> {
  await Promise.all([...targets].map((target) => reportArchiver(control, target, log)));
}

async function reportArchiver(control: ControlLink, target: ClusterServer, log: Log): Promise<void> {
  try {
    const { db: server } = await target.companion();
    const report = await archiver(server);
    await control.run((db) => reportCluster(db, target.name, report));
  } catch (error) {
    log.warning('cannot look at the archiver of a cluster', {
      cluster: target.name,
      reason: messageOf(error),
    });
  }
}
