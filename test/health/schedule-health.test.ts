import test from 'ava';
import type { Finding } from '../../src/health/findings.ts';
import { scheduleFindings } from '../../src/health/schedule-health.ts';
import type { ScheduleStatus } from '../../src/control/schedule-rows.ts';

const hour = 3600;

const schedule: ScheduleStatus = {
  name: 'nightly',
  cluster: 'main',
  kind: 'backup',
  incremental: false,
  cron: '0 2 * * *',
  timeZone: 'UTC',
  owner: 'dba',
  state: 'enabled',
  nextRun: new Date(),
  nextIn: 5 * hour,
  lastRun: new Date(),
  lastSuccess: new Date(),
  lastSuccessAgo: 19 * hour,
  lastDue: new Date('2026-03-14T02:00:00Z'),
  lastState: 'complete',
  lastRequest: 7,
  lastError: null,
  late: 0,
  problem: null,
};

for (const [title, change, severity, message] of [
  ['that runs', {}, 'ok', 'last success 68400 s ago, next run in 18000 s'],
  [
    'that has never run',
    { lastSuccessAgo: null, lastDue: null, lastState: null },
    'ok',
    'no success yet, next run in 18000 s',
  ],
  [
    'that is disabled since a run failed',
    { state: 'disabled', lastState: 'failed', problem: 'x' },
    'ok',
    'disabled',
  ],
  ['that is disabled', { state: 'disabled', nextIn: null }, 'ok', 'disabled'],
  [
    'that is paused',
    { state: 'paused', nextIn: null, problem: 'disk full', lastState: 'failed' },
    'warning',
    'paused, since a run failed: disk full',
  ],
  ['that is never due', { nextIn: null, problem: 'it is never due' }, 'warning', 'it is never due'],
  ['that is a little late', { late: 200 }, 'ok', 'last success 68400 s ago, next run in 18000 s'],
  ['that is overdue', { late: 301 }, 'warning', 'overdue for 301 s: no worker acts on it'],
  [
    'whose last run failed',
    { lastState: 'failed', lastError: 'disk full' },
    'warning',
    'its last run, due at 2026-03-14T02:00:00Z, failed: disk full',
  ],
  [
    'whose last run is tried again',
    { lastState: 'retrying', lastError: 'disk full' },
    'warning',
    'its last run, due at 2026-03-14T02:00:00Z, failed and is tried again: disk full',
  ],
  [
    'whose last run was missed',
    { lastState: 'missed', lastError: 'nobody there' },
    'warning',
    'its last run, due at 2026-03-14T02:00:00Z, was missed: nobody there',
  ],
] as [string, Partial<ScheduleStatus>, Finding['severity'], string][]) {
  test(`a schedule ${title}: ${severity}`, (t) => {
    const found = scheduleFindings({ ...schedule, ...change }, (seconds) => `${seconds} s`);
    t.deepEqual(found, [{ severity, object: 'schedule nightly', message }]);
  });
}
