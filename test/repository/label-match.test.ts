import test from 'ava';
import { labelMismatch, type CopyToMatch } from '../../src/repository/label-match.ts';
import type { BackupRecord } from '../../src/repository/label-entry.ts';
import type { BackupLabel } from '../../src/postgres/backup-label.ts';
import type { ControlFile } from '../../src/postgres/pg-control.ts';

const description: BackupRecord = {
  id: 1,
  cluster: 'main',
  label: 'nightly',
  serverVersion: '16.2 (Debian 16.2-1)',
  systemIdentifier: '7000000000000000001',
  timeline: 1,
  startedAt: '2026-01-01T00:00:00Z',
  stoppedAt: '2026-01-01T01:00:00Z',
  startLsn: '0/2000028',
  startWal: '000000010000000000000002',
  stopLsn: '0/5000100',
  stopWal: '000000010000000000000005',
};
const label: BackupLabel = {
  startLsn: 0x2000028n,
  startWal: '000000010000000000000002',
  checkpointLsn: 0x2000060n,
  backupFrom: 'primary',
  startTime: '2026-01-01 00:00:00 UTC',
  label: 'nightly',
  startTimeline: 1,
};
const control: ControlFile = {
  systemIdentifier: '7000000000000000001',
  state: 'in production',
  modifiedAt: 0,
  checkpointLsn: 0x2000060n,
  redoLsn: 0x2000028n,
  timeline: 1,
  catalogVersion: 202307071,
  required: {
    max_connections: 100,
    max_worker_processes: 8,
    max_wal_senders: 10,
    max_prepared_transactions: 0,
    max_locks_per_transaction: 64,
  },
  blockSize: 8192,
  relationSegmentBlocks: 131072,
  walSegmentSize: 16_777_216,
  checksums: true,
};
const judge = (copy: Partial<ControlFile> & { major?: number }, of: Partial<BackupLabel> = {}) => {
  const { major = 16, ...changed } = copy;
  return labelMismatch({ major, control: { ...control, ...changed } } satisfies CopyToMatch, description, {
    ...label,
    ...of,
  });
};

test("a copy with the backup's own checkpoint belongs to it", (t) => {
  t.is(judge({}), undefined);
});

test('so does one with a later checkpoint within the backup, up to its very end', (t) => {
  t.is(judge({ checkpointLsn: 0x4000000n }), undefined);
  t.is(judge({ checkpointLsn: 0x5000100n }), undefined);
});

test('a copy of another cluster does not', (t) => {
  t.regex(judge({ systemIdentifier: '7000000000000000002' }) ?? '', /they are of different clusters$/);
});

test('a copy of another major version does not', (t) => {
  t.is(judge({ major: 15 }), 'the copy is of PostgreSQL 15, the backup of 16');
});

test('a copy from before the backup does not', (t) => {
  t.regex(judge({ checkpointLsn: 0x200005fn }) ?? '', /0\/200005F, before the backup's at 0\/2000060/);
});

test('a copy from after the backup does not', (t) => {
  t.regex(judge({ checkpointLsn: 0x5000101n }) ?? '', /0\/5000101, after the backup's end at 0\/5000100/);
});

test('a copy on another timeline does not', (t) => {
  t.is(judge({ timeline: 2 }), 'the copy is on timeline 2, the backup on 1');
});

test('a copy that was shut down does not', (t) => {
  t.regex(judge({ state: 'shut down' }) ?? '', /"shut down", not "in production"/);
});

test('a label of another start does not', (t) => {
  t.regex(judge({}, { startLsn: 0x3000028n }) ?? '', /begins at 0\/3000028, but the backup at 0\/2000028/);
});

test('a copy of a standby is in recovery, and may have followed its primary to a later timeline', (t) => {
  const standby = { backupFrom: 'standby' };
  t.is(judge({ state: 'in archive recovery' }, standby), undefined);
  t.is(judge({ state: 'in archive recovery', timeline: 2 }, standby), undefined);
  t.regex(judge({ state: 'in production' }, standby) ?? '', /not "in archive recovery"/);
});
