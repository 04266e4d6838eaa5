/** Health of a chore, by pure functions. */
import type { Finding, HealthLimits, Severity } from './findings.ts';
import type { ChoreStatus } from '../control/status-queries.ts';

const hours = 3600;

/** Seconds for which a chore may wait for its start. */
const choreWaits = 1 * hours;

/** Seconds for which a chore may run if no chore of its kind has finished yet. */
const runsAtMost = 24 * hours;
/** Seconds for which a chore may always run. */
const runsAtLeast = 1 * hours;
/** Factor over the longest of the last runs, from which a chore counts as hanging. */
const muchLonger = 3;

/** Kinds of chores whose failure means a damaged backup. */
const findsDamage = ['verify', 'drill'];
/** Error codes that say nothing about the chore itself. */
const passing = ['worker_stopped', 'worker_lost'];

/** The findings for a chore. `age`: formats seconds. */
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
      return chore.age > choreWaits ? say('warning', `has waited for a worker for ${age(chore.age)}`) : [];
    case 'complete':
      return say('ok', `complete ${age(chore.ago ?? 0)} ago`);
  }
}

/** The finding for a chore that runs much longer than before, perhaps because its program hangs. */
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
