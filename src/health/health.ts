/** Computes the findings of a health check, by pure functions. */
import { startWorker, takeBackup } from './advice.ts';
import { archiverFindings, unseenFinding } from './archiver-health.ts';
import { chainFindings } from './chain-health.ts';
import { choreFindings } from './chore-health.ts';
import { datedAhead, clockFindings } from './clock-health.ts';
import type { NewestDrill } from '../control/drill-records.ts';
import { identityFindings } from './identity-health.ts';
import { scheduleFindings } from './schedule-health.ts';
import type { ClusterStatus, DamagedCopy, LiveRequest, WorkerStatus } from '../control/status-queries.ts';
import { windowFindings } from './window-health.ts';
import type { Finding, HealthInput, HealthLimits, Severity } from './findings.ts';

const minutes = 60;
const hours = 3600;

/** Seconds for which a state may last before a warning, and before the state is critical. */
const patience: Partial<Record<LiveRequest['state'], [number, number]>> = {
  requested: [10 * minutes, 1 * hours],
  starting: [1 * hours, 3 * hours],
  done: [10 * minutes, 1 * hours],
  archiving: [10 * minutes, 1 * hours],
};

/** Seconds after which a held backup gives a warning, whatever its hold_timeout. */
const heldLong = 5 * 24 * hours;
/** Seconds that a worker may need to end a backup after its time limit. */
const overtime = 1 * minutes;

/** All findings, most severe first. `age`: formats seconds. */
export function assessHealth(
  observation: HealthInput,
  limits: HealthLimits,
  age: (seconds: number) => string,
): Finding[] {
  const inUse = observation.clusters.filter(({ used }) => used);
  const clusters = inUse.length > 0 ? inUse : observation.clusters;
  const findings = [
    ...schemaFindings(observation.schema),
    ...identityFindings(observation, age),
    ...chainFindings(observation.chains, observation.missing),
    ...clockFindings({ ...observation, clusters }, age),
    ...clusters.flatMap((cluster) => clusterFindings(cluster, observation.workers, limits, age)),
    ...clusters.flatMap((cluster) => archiverFindings(cluster, observation.backlogs, age)),
    ...observation.unseen.map(unseenFinding),
    ...observation.requests.flatMap((request) => requestFindings(request, age)),
    ...observation.damaged.map(damageFinding),
    ...clusters.flatMap(({ name }) =>
      windowFindings(observation.windows.filter(({ cluster }) => cluster === name)),
    ),
    ...observation.schedules.flatMap((schedule) => scheduleFindings(schedule, age)),
    ...observation.chores.flatMap((chore) => choreFindings(chore, limits, age)),
    ...clusters.flatMap(({ name }) =>
      observation.drills.filter(({ cluster }) => cluster === name).map((drill) => drillFinding(drill, age)),
    ),
  ];
  return findings.toSorted((a, b) => rank(b.severity) - rank(a.severity));
}

/** The most severe of the findings; ok if there are none. */
export function worstSeverity(findings: readonly Finding[]): Severity {
  return findings.reduce<Severity>((so, { severity }) => (rank(severity) > rank(so) ? severity : so), 'ok');
}

function rank(severity: Severity): number {
  return ['ok', 'warning', 'critical'].indexOf(severity);
}

function schemaFindings({ installed, needed }: HealthInput['schema']): Finding[] {
  if (installed === needed) return [];
  const which = installed < needed ? 'older than' : 'newer than';
  return [
    {
      severity: 'warning',
      object: 'schema',
      message: `version ${installed} is ${which} this program's ${needed}`,
    },
  ];
}

function clusterFindings(
  cluster: ClusterStatus,
  workers: WorkerStatus[],
  limits: HealthLimits,
  age: (seconds: number) => string,
): Finding[] {
  const object = `cluster ${cluster.name}`;
  const say = (severity: Severity, message: string): Finding => ({ severity, object, message });
  const draining = workers.some(
    (worker) => worker.alive && worker.draining && worker.clusters.includes(cluster.name),
  );
  const findings: Finding[] = [];

  if (cluster.workers.length > 0) findings.push(say('ok', `served by ${cluster.workers.join(', ')}`));
  else if (draining) findings.push(say('warning', 'its only worker is stopping'));
  else findings.push(say('critical', `no live worker: ${startWorker}`));

  const { completeId, completeAgo } = cluster;
  if (completeId === null || completeAgo === null)
    findings.push(say('critical', `no complete backup yet: ${takeBackup(cluster.name)}`));
  else if (completeAgo > limits.maxAge) {
    findings.push(
      say(
        'critical',
        `last complete backup ${age(completeAgo)} ago (${completeId}), more than ${age(limits.maxAge)}`,
      ),
    );
  } else if (!datedAhead(completeAgo))
    findings.push(say('ok', `last complete backup ${age(completeAgo)} ago (${completeId})`));

  if (cluster.failedAgo !== null && cluster.failedAgo < (completeAgo ?? Infinity)) {
    findings.push(
      say(
        'warning',
        `backup ${cluster.failedId} failed ${age(cluster.failedAgo)} ago: ${cluster.failedError}`,
      ),
    );
  }
  return [...findings, ...leftFindings(cluster, say)];
}

function leftFindings(
  { recoverySettings }: ClusterStatus,
  say: (severity: Severity, message: string) => Finding,
): Finding[] {
  if (recoverySettings.length === 0) return [];
  const resets = recoverySettings.map((name) => `ALTER SYSTEM RESET ${name};`).join(' ');
  const message = `its recovery is over, and its configuration still has ${recoverySettings.join(', ')}, which a standby made of it would obey: type ${resets} SELECT pg_reload_conf();`;
  return [say('warning', message)];
}

function requestFindings(request: LiveRequest, age: (seconds: number) => string): Finding[] {
  const { id, label, state, session, stageAge, holdTimeout, waitingFor, requestedBy } = request;
  const say = (severity: Severity, message: string): Finding[] => [
    { severity, object: `backup ${id} "${label}"`, message },
  ];

  if (session === 'gone') return say('critical', `${state}, but its session is gone`);
  if (session === 'orphaned') return say('critical', `${state}, but its worker is gone`);
  if (state === 'running' && holdTimeout && stageAge > holdTimeout + overtime) {
    return say(
      'critical',
      `running for ${age(stageAge)}, longer than its hold_timeout of ${age(holdTimeout)}`,
    );
  }
  if (state === 'running' && request.method === 'hold' && stageAge > heldLong)
    return say('warning', `running for ${age(stageAge)}, held by role "${requestedBy}"`);
  const [warning, critical] = patience[state] ?? [Infinity, Infinity];
  if (stageAge <= warning) return [];
  return say(
    stageAge > critical ? 'critical' : 'warning',
    `${state} for ${age(stageAge)}, waits for ${waitingFor ?? 'nothing'}`,
  );
}

function damageFinding({ id, cluster, pages, named }: DamagedCopy): Finding {
  const more = pages > named.length ? `, and ${pages - named.length} more` : '';
  const found = `damaged pages in its newest copy that has read them (${id}), so the server has them`;
  const message = `${found}: ${named.join(', ')}${more}; this is over with a full copy that finds none`;
  return { severity: 'critical', object: `cluster ${cluster}`, message };
}

/** A failed drill counts until a later drill has succeeded. */
function drillFinding(drill: NewestDrill, age: (seconds: number) => string): Finding {
  const { cluster, backup, id, ok, error, ago, provenAgo } = drill;
  const object = `cluster ${cluster}`;
  if (ok)
    return {
      severity: 'ok',
      object,
      message: `${backup} was proven restorable ${age(ago)} ago (drill ${id})`,
    };
  const before =
    provenAgo === null ? 'none has ever succeeded' : `the last that succeeded was ${age(provenAgo)} ago`;
  const of = backup === null ? '' : ` of ${backup}`;
  const message = `drill ${id}${of} failed ${age(ago)} ago, and ${before}: ${error}`;
  return { severity: 'critical', object, message };
}
