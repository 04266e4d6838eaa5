/** Health of clocks, by pure functions. A time in the future means that a clock is or was wrong. */
import type { Finding, HealthInput } from './findings.ts';

/** Seconds by which the clocks of two hosts may differ. */
const clocksDiffer = 60;

/** Whether a time is in the future. `ago`: seconds; null: no time. */
export function datedAhead(ago: number | null): boolean {
  return ago !== null && ago < -clocksDiffer;
}

type Dated = [object: string, what: string, ago: number | null];

/** One warning for each time in the future. `age`: formats seconds. */
export function clockFindings(
  { clusters, workers, windows, requests, schedules, chores, drills }: Omit<HealthInput, 'schema'>,
  age: (seconds: number) => string,
): Finding[] {
  const names = new Set(clusters.map(({ name }) => name));
  const dated: Dated[] = [
    ...clusters.flatMap((cluster): Dated[] => {
      const object = `cluster ${cluster.name}`;
      return [
        [object, `its last complete backup (${cluster.completeId})`, cluster.completeAgo],
        [object, `its last failed backup (${cluster.failedId})`, cluster.failedAgo],
        [object, `the last segment that was archived (${cluster.lastArchivedWal})`, cluster.lastArchivedAgo],
        [object, `the last failure of its archiver (${cluster.lastFailedWal})`, cluster.lastFailedAgo],
        [object, 'the last look at its archiver', cluster.checkedAgo],
      ];
    }),
    ...windows
      .filter(({ cluster }) => names.has(cluster))
      .map(({ cluster, timeline, latestAgo }): Dated => [
        `cluster ${cluster}, timeline ${timeline}`,
        'the last segment in its repository',
        latestAgo,
      ]),
    ...workers.map(({ name, lastSeenAgo }): Dated => [
      `worker ${name}`,
      'its last sign of life',
      lastSeenAgo,
    ]),
    ...requests.map(({ id, label, age: ago }): Dated => [`backup ${id} "${label}"`, 'its request', ago]),
    ...schedules.map(({ name, lastSuccessAgo }): Dated => [
      `schedule ${name}`,
      'its last success',
      lastSuccessAgo,
    ]),
    ...chores.map(({ id, kind, cluster, age: ago, ago: endedAgo }): Dated => [
      `cluster ${cluster}, chore ${id} (${kind})`,
      endedAgo === null ? 'its request' : 'its end',
      endedAgo ?? ago,
    ]),
    ...drills
      .filter(({ cluster }) => names.has(cluster))
      .map(({ cluster, id, ago }): Dated => [`cluster ${cluster}`, `drill ${id}`, ago]),
  ];
  return dated
    .filter(([, , ago]) => datedAhead(ago))
    .map(([object, what, ago]) => ({
      severity: 'warning',
      object,
      message: `${what} is dated ${age(-(ago ?? 0))} in the future: a clock was ahead then, or is behind now`,
    }));
}
