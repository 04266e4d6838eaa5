import test from 'ava';
import type { Finding } from '../../src/health/findings.ts';
import { worstSeverity } from '../../src/health/health.ts';
import type { ChoreStatus } from '../../src/control/status-queries.ts';
import { findings as allFindings, hour } from '../support/observation.ts';

const chore: ChoreStatus = {
  id: 5,
  cluster: 'main',
  kind: 'verify',
  state: 'complete',
  attempts: 1,
  backup: null,
  worker: 'w',
  error: null,
  hint: null,
  errorCode: null,
  result: null,
  requestedBy: 'r',
  requestedAt: new Date(),
  startedAt: new Date(),
  nextAttemptAt: null,
  finishedAt: new Date(),
  workerGone: false,
  age: hour,
  ago: 60,
  nextIn: null,
  runningFor: null,
  usuallyRunsFor: null,
};
const underWay = { ago: null, finishedAt: null };
const away = { error: 'it is away', errorCode: 'sync_failed', kind: 'sync', ...underWay };

function findings(...chores: Partial<ChoreStatus>[]): Finding[] {
  return allFindings({
    clusters: [],
    workers: [],
    chores: chores.map((change) => ({ ...chore, ...change })),
  });
}

for (const [title, change, severity, message] of [
  [
    'a failed verification',
    { state: 'failed', error: 'it is damaged', errorCode: 'backup_damaged' },
    'critical',
    'failed 60 s ago: it is damaged',
  ],
  [
    'a failed expiry',
    { state: 'failed', kind: 'expire', error: 'no policy', errorCode: 'no_policy' },
    'warning',
    'failed 60 s ago: no policy',
  ],
  [
    'a sync that fails',
    { ...away, state: 'retrying', attempts: 3 },
    'warning',
    'has failed 3 times in 3600 s: it is away',
  ],
  [
    'a sync that is being tried again',
    { ...away, state: 'running', attempts: 3 },
    'warning',
    'has failed 2 times in 3600 s: it is away',
  ],
  [
    'a sync that has failed for longer than a backup may be old',
    { ...away, state: 'retrying', attempts: 99, age: 27 * hour },
    'critical',
    `has failed 99 times in ${27 * hour} s: it is away`,
  ],
  [
    'a chore whose worker is gone',
    { ...underWay, state: 'running', workerGone: true },
    'warning',
    'running, but its worker is gone',
  ],
  [
    'a chore that nobody begins',
    { ...underWay, state: 'requested', age: 2 * hour },
    'warning',
    'has waited for a worker for 7200 s',
  ],
  [
    'a sync that runs for much longer than any before',
    { ...underWay, kind: 'sync', state: 'running', runningFor: 2 * hour, usuallyRunsFor: 60 },
    'warning',
    'running for 7200 s, the longest before it ran for 60 s: see whether its program hangs',
  ],
  [
    'a first one that runs for longer than a backup may be old',
    { ...underWay, state: 'running', runningFor: 27 * hour },
    'critical',
    `running for ${27 * hour} s: see whether its program hangs`,
  ],
] satisfies [string, Partial<ChoreStatus>, string, string][]) {
  test(`${title}: ${severity}`, (t) => {
    const kind = 'kind' in change ? change.kind : chore.kind;
    const object = `cluster main, chore 5 (${kind})`;
    t.deepEqual(findings(change), [{ severity, object, message }] as Finding[]);
  });
}

test('a chore that is complete, runs as long as usual, was given up or was cut short by the end of its worker is no problem', (t) => {
  const cutShort = { ...away, state: 'retrying', errorCode: 'worker_stopped' } as const;
  const givenUp = { state: 'failed', error: 'no more', errorCode: 'given_up' } as const;
  const asUsual = { ...underWay, state: 'running', runningFor: 5 * hour, usuallyRunsFor: 2 * hour } as const;
  const found = findings({}, cutShort, givenUp, asUsual);
  t.is(worstSeverity(found), 'ok');
  t.is(found.length, 1);
});
