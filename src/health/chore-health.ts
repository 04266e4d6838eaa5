/** What a monitoring system should know of a chore: pure. */
import type { Finding, HealthLimits, Severity } from './findings.ts';
import type { ChoreStatus } from '../control/status-queries.ts';

const hours = 3600;

/** How long one may wait until it is begun. */
const choreWaits = 1 * hours;

/** Seconds that one may run where none of its kind is known to have ended, and where some are at least. */
const runsAtMost = 24 * hours;
const runsAtLeast = 1 * hours;
/** How many times as long as the longest of the last ones. */
const muchLonger = 3;

/** Kinds that say something about backups when they fail; and what says nothing about the chore itself. */
const findsDamage = ['verify', 'drill'];
const passing = ['worker_stopped', 'worker_lost'];

export function choreFindings(
  chore: ChoreStatus,
  limits: HealthLimits,
  age: (seconds: number) => string,
): Finding[] {
  const { id, kind, cluster, state, error, errorCode, attempts } = chore;
  const say = (severity: Severity, message: string): Finding[] => [
    { severity, object: `cluster ${cluster}, chore ${id} (${kind})`, message },
  ];
  const failing = (): Finding[] =>
    error === null || passing.includes(errorCode ?? '')
      ? []
      : say(
          chore.age > limits.maxAge ? 'critical' : 'warning',
          `has failed ${attempts - (state === 'running' ? 1 : 0)} times in ${age(chore.age)}: ${error}`,
        );
  switch (state) {
    case 'failed':
      if (errorCode === 'given_up') return [];
      return say(
        findsDamage.includes(kind) ? 'critical' : 'warning',
        `failed ${age(chore.ago ?? 0)} ago: ${error}`,
      );
    case 'retrying':
      return failing();
    case 'running':
      if (chore.workerGone) return say('warning', 'running, but its worker is gone');
      return [...hanging(chore, limits, age, say), ...failing()];
    case 'requested':
      return chore.age > choreWaits ? say('warning', `waits for a worker since ${age(chore.age)}`) : [];
    case 'complete':
      return say('ok', `complete ${age(chore.ago ?? 0)} ago`);
  }
}

/** What a program that hangs looks like. */
function hanging(
  { runningFor, usuallyRunsFor }: ChoreStatus,
  limits: HealthLimits,
  age: (seconds: number) => string,
  say: (severity: Severity, message: string) => Finding[],
): Finding[] {
  const longest = usuallyRunsFor === null ? runsAtMost : Math.max(runsAtLeast, muchLonger * usuallyRunsFor);
  if (runningFor === null || runningFor <= longest) return [];
  const before = usuallyRunsFor === null ? '' : `, the longest before it ran for ${age(usuallyRunsFor)}`;
  return say(
    runningFor > limits.maxAge ? 'critical' : 'warning',
    `running for ${age(runningFor)}${before}: see whether its program hangs`,
  );
}
