import test from 'ava';
import { archiverFindings, unseenFinding } from '../../src/health/archiver-health.ts';
import type { ClusterStatus } from '../../src/control/status-queries.ts';

const last = '000000010000000000000002';
const well = {
  name: 'main',
  archiveMode: 'on',
  archiverFailing: false,
  lastArchivedWal: last,
  lastArchivedAgo: 60,
  checkedAgo: 20,
  workers: ['w'],
} as ClusterStatus;

function found(files: number, seconds: number, change: Partial<ClusterStatus> = {}): string[] {
  const backlogs = [
    { cluster: 'other', files: 99, seconds: 9999 },
    { cluster: 'main', files, seconds },
  ];
  return archiverFindings({ ...well, ...change }, backlogs, (age) => `${age} s`).map(
    ({ severity, object, message }) => `${severity} ${object}: ${message}`,
  );
}

const hangs =
  'no failure is counted, so archive_command (archive_library) hangs, is too slow, is not set, or names a program that the server does not find: see the log of the server';

test('WAL that waits for its turn is no problem', (t) => {
  t.deepEqual(found(3, 300), []);
  t.deepEqual(archiverFindings(well, [], String), []);
});

test('WAL that waits for an archiver that fails on nothing is a warning, and critical after half an hour', (t) => {
  const waits = 'cluster main: WAL files that wait to be archived';
  t.deepEqual(found(20, 301), [
    `warning ${waits}: 20, the oldest for 301 s; the last one archived was ${last}, 60 s ago; ${hangs}`,
  ]);
  t.deepEqual(found(1, 1801, { lastArchivedWal: null }), [
    `critical ${waits}: 1, the oldest for 1801 s; none has been archived yet; ${hangs}`,
  ]);
});

test('where the archiver fails, that is said, and how much waits', (t) => {
  const [failing, waiting] = found(2, 400, { archiverFailing: true, lastFailedWal: 'X' });
  t.is(failing, 'critical cluster main: the archiver fails on X');
  t.regex(waiting ?? '', /^warning .*: 2, the oldest for 400 s; the last one archived was \S+, 60 s ago$/);
});

test('WAL that the server calls archived, and that is not in the archive, is a warning with the backup that needs it', (t) => {
  const unseen = { id: 7, cluster: 'main', startWal: `${last.slice(0, -1)}1`, stopWal: last };
  t.deepEqual(unseenFinding(unseen), {
    severity: 'warning',
    object: 'cluster main',
    message: `the server says that the WAL of its newest complete backup (7), 000000010000000000000001 to ${last}, is archived, but it was not in the archive: type holdfast status 7`,
  });
});
