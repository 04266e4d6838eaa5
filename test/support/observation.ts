// What is to be seen where all is well, to be changed by those who test what is said of it.
import type { NewestDrill } from '../../src/control/drill-records.ts';
import type { Finding, HealthInput } from '../../src/health/findings.ts';
import { assessHealth } from '../../src/health/health.ts';
import type { RestoreWindow } from '../../src/control/archived-wal.ts';
import type {
  ChoreStatus,
  ClusterStatus,
  LiveRequest,
  WorkerStatus,
} from '../../src/control/status-queries.ts';

export const hour = 3600;

const cluster: ClusterStatus = {
  name: 'main',
  serverVersion: '18.4',
  archiveMode: 'on',
  archiverFailing: false,
  recoverySettings: [],
  lastArchivedWal: '000000010000000000000002',
  lastArchivedAgo: 60,
  lastFailedWal: null,
  lastFailedAgo: null,
  checkedAt: new Date(),
  checkedAgo: 20,
  workers: ['w'],
  used: true,
  completeId: 7,
  completeAt: new Date(),
  completeAgo: 2 * hour,
  failedId: null,
  failedError: null,
  failedAgo: null,
};
const worker: WorkerStatus = {
  name: 'w',
  alive: true,
  draining: false,
  clusters: ['main'],
  held: 0,
  version: '1',
  host: 'h',
  hostPid: 1,
  startedAt: new Date(),
  lastSeen: new Date(),
  lastSeenAgo: 1,
};
const request: LiveRequest = {
  id: 8,
  cluster: 'main',
  label: 'nightly',
  method: 'hold',
  state: 'running',
  session: 'alive',
  stage: 'copy',
  worker: 'w',
  warnings: [],
  requestedBy: 'r',
  startLsn: null,
  waitingFor: 'the client to finish',
  bytesExpected: null,
  bytesDone: null,
  bytesPerSecond: null,
  age: 100 * hour,
  stageAge: 100 * hour,
  holdTimeout: null,
};

export const restorable: RestoreWindow = {
  cluster: 'main',
  timeline: 1,
  earliestTime: new Date('2026-03-01T02:00:00.5Z'),
  earliestLsn: '0/5000000',
  earliestCopyTime: new Date('2026-03-01T02:00:00.5Z'),
  latestTime: new Date('2026-03-02T14:30:00Z'),
  latestAgo: 60,
  latestLsn: '0/9000000',
  upToDate: true,
  holes: null,
  breaks: null,
  writtenSince: new Date('2026-03-01T00:00:00Z'),
  writtenUntil: new Date('2026-03-02T14:30:00Z'),
  writtenAgo: 60,
};

export interface Change {
  schema?: number;
  clusters?: Partial<ClusterStatus>[];
  workers?: Partial<WorkerStatus>[];
  requests?: Partial<LiveRequest>[];
  windows?: Partial<RestoreWindow>[];
  chores?: ChoreStatus[];
  drills?: NewestDrill[];
}

/** All is well, but for what is said. */
export function findings({
  schema = 3,
  clusters = [{}],
  workers = [{}],
  requests = [],
  windows = [],
  chores = [],
  drills = [],
}: Change): Finding[] {
  const observation: HealthInput = {
    schema: { installed: schema, needed: 3 },
    clusters: clusters.map((change) => ({ ...cluster, ...change })),
    workers: workers.map((change) => ({ ...worker, ...change })),
    requests: requests.map((change) => ({ ...request, ...change })),
    windows: windows.map((change) => ({ ...restorable, ...change })),
    identity: undefined,
    repositories: [],
    missing: [],
    chains: [],
    damaged: [],
    backlogs: [],
    unseen: [],
    schedules: [],
    chores,
    drills,
  };
  return assessHealth(observation, { maxAge: 26 * hour }, (seconds) => `${seconds} s`);
}
