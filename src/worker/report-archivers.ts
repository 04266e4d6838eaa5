/**
 * Records the state of each cluster's archiver, and the settings that a recovery has left in the
 * configuration, for `holdfast check` and for readers of table `cluster`.
 */
import type { ClusterServer } from '../server/cluster-server.ts';
import type { ControlLink } from '../control/control-link.ts';
import { archiver } from '../server/server-queries.ts';
import { reportCluster } from '../control/worker-rows.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';

/** Records the state of all clusters. A cluster that cannot be read is logged as a warning. */
export async function reportArchivers(
  control: ControlLink,
  servers: Iterable<ClusterServer>,
  log: Log,
): Promise<void> {
  await Promise.all([...servers].map((server) => reportArchiver(control, server, log)));
}

async function reportArchiver(control: ControlLink, server: ClusterServer, log: Log): Promise<void> {
  try {
    const { db } = await server.monitor();
    const report = await archiver(db);
    await control.run((tables) => reportCluster(tables, server.name, report));
  } catch (error) {
    log.warning('cannot look at the archiver of a cluster', {
      cluster: server.name,
      reason: messageOf(error),
    });
  }
}
