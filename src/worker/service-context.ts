/** What the services of a worker work with. */
import type { Config } from '../config/config.ts';
import type { ControlLink } from '../control/control-link.ts';
import type { Log } from '../log.ts';
import type { ClusterServer } from '../server/cluster-server.ts';

/** What every service has. */
export interface ServiceContext {
  control: ControlLink;
  config: Config;
  log: Log;
}

/** What a service has that looks at the servers. */
export interface ServersContext extends ServiceContext {
  /** The servers of the worker's clusters, by the name of the cluster. */
  servers: ReadonlyMap<string, ClusterServer>;
}
