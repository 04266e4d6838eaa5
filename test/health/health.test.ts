import test from 'ava';
import { worstSeverity } from '../../src/health/health.ts';
import { findings, hour, restorable, type Change } from '../support/observation.ts';

test('when all is well, that is said of every cluster', (t) => {
  const found = findings({ requests: [{}] });
  t.is(worstSeverity(found), 'ok');
  t.deepEqual(
    found.map(({ object, message }) => `${object}: ${message}`),
    ['cluster main: served by w', 'cluster main: last complete backup 7200 s ago (7)'],
  );
});

for (const [title, change, severity, message] of [
  [
    'no worker alive',
    { clusters: [{ workers: [] }], workers: [{ alive: false }] },
    'critical',
    'no live worker: start one with "holdfast worker"',
  ],
  [
    'only a worker that is stopping',
    { clusters: [{ workers: [] }], workers: [{ draining: true }] },
    'warning',
    'its only worker is stopping',
  ],
  [
    'no backup yet',
    { clusters: [{ completeId: null, completeAgo: null }] },
    'critical',
    'no complete backup yet: take one with "holdfast start --method copy"',
  ],
  [
    'a backup from the future',
    { clusters: [{ completeAgo: -5 * hour }] },
    'warning',
    'its last complete backup (7) is dated 18000 s in the future: a clock was ahead then, or is behind now',
  ],
  [
    'a segment archived in the future',
    { clusters: [{ lastArchivedAgo: -2 * hour }] },
    'warning',
    'the last segment that was archived (000000010000000000000002) is dated 7200 s in the future: a clock was ahead then, or is behind now',
  ],
  [
    'a backup too old',
    { clusters: [{ completeAgo: 27 * hour }] },
    'critical',
    'last complete backup 97200 s ago (7), more than 93600 s',
  ],
  [
    'a failed backup since',
    { clusters: [{ failedId: 8, failedError: 'oh', failedAgo: hour }] },
    'warning',
    'backup 8 failed 3600 s ago: oh',
  ],
  [
    'a failing archiver',
    { clusters: [{ archiverFailing: true, lastFailedWal: 'X' }] },
    'critical',
    'the archiver fails on X',
  ],
  [
    'a recovery target that was left behind',
    { clusters: [{ recoverySettings: ['recovery_target_time'] }] },
    'warning',
    'its recovery is over, and its configuration still has recovery_target_time, which a standby made of it would obey: type ALTER SYSTEM RESET recovery_target_time; SELECT pg_reload_conf();',
  ],
  ['archiving off', { clusters: [{ archiveMode: 'off' }] }, 'critical', 'archiving is off'],
  [
    'an archiver not seen',
    { clusters: [{ checkedAgo: 600 }] },
    'warning',
    'its archiver could not be looked at for 600 s',
  ],
  [
    'an archiver never seen',
    { clusters: [{ checkedAgo: null }] },
    'warning',
    'its archiver could not be looked at at all',
  ],
  ['an old schema', { schema: 2 }, 'warning', "version 2 is older than this program's 3"],
  ['a new schema', { schema: 4 }, 'warning', "version 4 is newer than this program's 3"],
  [
    'WAL of two servers',
    { windows: [{ breaks: ['B does not follow A'] }] },
    'critical',
    'its WAL is of two histories: B does not follow A; take a backup, and end the other server',
  ],
  [
    'two timelines that are both written to',
    { windows: [{}, { timeline: 2, writtenSince: new Date('2026-03-02T14:24:00Z') }] },
    'warning',
    'timeline 2 is written to as well: say which one a restore means, with --target-timeline 1 or 2',
  ],
  ['a hole in the WAL', { windows: [{ holes: ['A to B'] }] }, 'warning', 'WAL is missing: A to B'],
  [
    'a hole in the WAL since the last backup',
    { windows: [{ holes: ['A'], upToDate: false }] },
    'critical',
    'nothing after the last hole can be restored: take one with "holdfast start --method copy"',
  ],
  [
    'WAL without a backup',
    {
      windows: [
        { earliestTime: null, earliestLsn: null, latestTime: null, latestLsn: null, upToDate: false },
      ],
    },
    'critical',
    'its WAL is archived, and there is no backup to restore it from: take one with "holdfast start --method copy"',
  ],
  ['a lost session', { requests: [{ session: 'gone' }] }, 'critical', 'running, but its session is gone'],
  ['a lost worker', { requests: [{ session: 'orphaned' }] }, 'critical', 'running, but its worker is gone'],
  [
    'a copy that takes too long',
    { requests: [{ holdTimeout: hour, stageAge: 2 * hour }] },
    'critical',
    'running for 7200 s, longer than its hold_timeout of 3600 s',
  ],
  [
    'a request that nobody takes',
    { requests: [{ state: 'requested', session: null, stageAge: 700 }] },
    'warning',
    'requested for 700 s, waits for the client to finish',
  ],
  [
    'one that nobody takes for long',
    { requests: [{ state: 'requested', session: null, stageAge: 4000 }] },
    'critical',
    /^requested for 4000 s/,
  ],
  [
    'a checkpoint that does not end',
    { requests: [{ state: 'starting', stageAge: 4000 }] },
    'warning',
    /^starting for 4000 s/,
  ],
  [
    'a stop that does not end',
    { requests: [{ state: 'done', stageAge: 700 }] },
    'warning',
    /^done for 700 s/,
  ],
  [
    'WAL that is not archived',
    { requests: [{ state: 'archiving', session: null, stageAge: 700 }] },
    'warning',
    /^archiving for 700 s/,
  ],
  [
    'WAL that is not archived for long',
    { requests: [{ state: 'archiving', session: null, stageAge: 4000 }] },
    'critical',
    /^archiving for 4000 s/,
  ],
] as const satisfies [string, Change, string, string | RegExp][]) {
  test(`${title}: ${severity}`, (t) => {
    const found = findings(change);
    t.is(worstSeverity(found), severity);
    t.is(found[0]?.severity, severity);
    if (typeof message === 'string') t.is(found[0]?.message, message);
    else t.regex(found[0]?.message ?? '', message);
  });
}

for (const [title, change] of [
  [
    'a failure before the last complete backup',
    { clusters: [{ failedId: 6, failedError: 'oh', failedAgo: 3 * hour }] },
  ],
  ['a copy that takes long, as it may', { requests: [{ holdTimeout: 0 }, { holdTimeout: 101 * hour }] }],
  ['a session that cannot be seen from here', { requests: [{ session: 'unknown' }] }],
  [
    'a cluster that nobody uses, beside one in use',
    { clusters: [{}, { name: 'spare', used: false, workers: [], completeId: null, completeAgo: null }] },
  ],
] as const satisfies [string, Change][]) {
  test(`${title}: ok`, (t) => {
    t.is(worstSeverity(findings(change)), 'ok');
  });
}

test('where nobody uses any cluster, all of them count', (t) => {
  const unused = { used: false, workers: [], completeId: null, completeAgo: null };
  t.is(worstSeverity(findings({ clusters: [unused], workers: [] })), 'critical');
});

test('a stopping worker of another cluster is no comfort', (t) => {
  const found = findings({ clusters: [{ workers: [] }], workers: [{ draining: true, clusters: ['other'] }] });
  t.regex(String(found[0]?.message), /^no live worker: /);
});

test('the worst comes first', (t) => {
  const severities = findings({ clusters: [{ archiverFailing: true, checkedAgo: 600 }] }).map(
    ({ severity }) => severity,
  );
  t.deepEqual(severities, ['critical', 'warning', 'ok', 'ok']);
});

test('from when to when a cluster can be restored is said for each timeline', (t) => {
  const second = { timeline: 2, writtenSince: restorable.writtenUntil };
  const windows = [{ upToDate: false }, second, { cluster: 'elsewhere', holes: ['A'] }];
  const found = findings({ windows }).filter(({ object }) => object.includes('timeline'));
  const message = 'restorable from 2026-03-01T02:00:00Z to 2026-03-02T14:30:00Z';
  t.deepEqual(found, [
    { severity: 'ok', object: 'cluster main, timeline 1', message },
    { severity: 'ok', object: 'cluster main, timeline 2', message },
  ]);
});
