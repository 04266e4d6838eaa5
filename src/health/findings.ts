/** The input and the findings of a health check. */
import type { RestoreWindow } from '../control/archived-wal.ts';
import type { ChainStatus } from '../control/backup-chains.ts';
import type { DatabaseOrigin, MissingBackup, RepositoryProblem } from '../control/control-identity.ts';
import type { NewestDrill } from '../control/drill-records.ts';
import type { ScheduleStatus } from '../control/schedule-rows.ts';
import type {
  ChoreStatus,
  ClusterStatus,
  DamagedCopy,
  LiveRequest,
  UnseenWal,
  WalBacklog,
  WorkerStatus,
} from '../control/status-queries.ts';

/** From the best to the worst. */
export type Severity = 'ok' | 'warning' | 'critical';

/** One line of a health check. */
export interface Finding {
  severity: Severity;
  /** The cluster, the request or the schema that the finding is about. */
  object: string;
  message: string;
}

/** Everything that a health check looks at. */
export interface HealthInput {
  schema: { installed: number; needed: number };
  clusters: ClusterStatus[];
  workers: WorkerStatus[];
  requests: LiveRequest[];
  /** The restore windows of the repositories; a cluster that archives elsewhere has none. */
  windows: RestoreWindow[];
  schedules: ScheduleStatus[];
  chores: ChoreStatus[];
  /** The newest drill of each cluster that was ever drilled. */
  drills: NewestDrill[];
  /** The origin of this control database; undefined: an older schema has no origin. */
  identity: DatabaseOrigin | undefined;
  /** The reasons why workers do not write to the repositories of clusters. */
  repositories: RepositoryProblem[];
  missing: MissingBackup[];
  /** The copies that have not expired, oldest first. */
  chains: ChainStatus[];
  damaged: DamagedCopy[];
  /** The clusters with WAL that waits for the archiver. */
  backlogs: WalBacklog[];
  /** The newest backups whose WAL the server calls archived, but which was missing in the archive. */
  unseen: UnseenWal[];
}

/** The limits of a health check. */
export interface HealthLimits {
  /** Seconds since the last complete backup of each cluster. */
  maxAge: number;
}
