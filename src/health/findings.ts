/** What a check of the health looks at, and what it finds. */
import type { RestoreWindow } from '../control/archived-wal.ts';
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

export type Severity = 'ok' | 'warning' | 'critical';

export interface Finding {
  severity: Severity;
  /** A cluster, a request, the schema. */
  object: string;
  message: string;
}

export interface HealthInput {
  schema: { installed: number; needed: number };
  clusters: ClusterStatus[];
  workers: WorkerStatus[];
  requests: LiveRequest[];
  /** What can be restored from WAL in a repository; a cluster has none where its WAL goes elsewhere. */
  windows: RestoreWindow[];
  schedules: ScheduleStatus[];
  chores: ChoreStatus[];
  /** The last drill of each cluster that was ever drilled. */
  drills: NewestDrill[];
  /** Which control database this is; undefined: an older schema does not know. */
  identity: DatabaseOrigin | undefined;
  /** Why workers do not write to the repositories of clusters. */
  repositories: RepositoryProblem[];
  missing: MissingBackup[];
  damaged: DamagedCopy[];
  /** Of the clusters where WAL waits for the archiver. */
  backlogs: WalBacklog[];
  /** Of the clusters where the server calls archived what is not in the archive. */
  unseen: UnseenWal[];
}

export interface HealthLimits {
  /** Seconds since the last complete backup of each cluster. */
  maxAge: number;
}
