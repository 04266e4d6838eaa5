import test from 'ava';
import { spansTo } from '../../src/postgres/timeline-history.ts';
import { parseLsn } from '../../src/postgres/lsn.ts';
import { segmentRange } from '../../src/postgres/wal-segment.ts';
import { parseTime, type RecoveryTarget } from '../../src/recovery/recovery-target.ts';
import { doubtAbout, missingWal } from '../../src/recovery/required-wal.ts';
import { newestTimeline } from '../../src/recovery/newest-timeline.ts';
import { coverageFrom, fileFor } from '../../src/recovery/wal-path.ts';

const size = 16 * 1024 * 1024;
const backup = {
  id: 7,
  serverVersion: '18.4',
  startWal: '000000010000000000000003',
  stopWal: '000000010000000000000004',
  stopLsn: '0/4000130',
  walSegmentSize: size,
};
const range = (first: string, last: string) => segmentRange(first, last, size);
const whole = range('000000010000000000000002', '000000010000000000000009');
const without = (...missing: string[]) => new Set(whole.filter((name) => !missing.includes(name)));
const path = spansTo(1, new Map());
const lsn = (text: string): RecoveryTarget => ({ kind: 'lsn', lsn: parseLsn(text), exclusive: false });
const at = (text: string): RecoveryTarget => ({ kind: 'time', at: parseTime(text), exclusive: false });
const needs = (segments: Set<string>, target: RecoveryTarget, isReached = false) => ({
  backup,
  target,
  path,
  segments,
  coverage: coverageFrom(backup.stopWal, path, segments, size),
  isReached,
});

function problem(segments: Set<string>, target: RecoveryTarget, isReached = false) {
  return missingWal(needs(segments, target, isReached));
}

test('nothing is in the way where all segments are there', (t) => {
  t.is(problem(without(), { kind: 'latest' }), undefined);
  t.is(problem(without(), lsn('0/9000100')), undefined);
});

test('a hole within the backup is in the way of every target', (t) => {
  for (const target of [{ kind: 'immediate' }, { kind: 'latest' }, lsn('0/4000100')] as RecoveryTarget[])
    t.regex(
      String(problem(without('000000010000000000000004'), target)),
      /000000010000000000000004 is not there/,
    );
});

test('a hole behind the backup is in the way of what lies beyond it', (t) => {
  const holey = without('000000010000000000000006');
  t.is(problem(holey, { kind: 'immediate' }), undefined);
  t.is(problem(holey, lsn('0/5FFFFFF'), true), undefined);
  t.regex(
    String(problem(holey, lsn('0/6000001'))),
    /000000010000000000000006 is missing in the archive, before/,
  );
  t.regex(String(problem(holey, { kind: 'latest' })), /recovery would end there/);
  t.regex(String(problem(holey, { kind: 'xid', xid: '1', exclusive: false })), /recovery would end there/);
});

test('a target that is in a record before a hole is before the hole, and any other one behind', (t) => {
  const holey = without('000000010000000000000006');
  const targets: [RecoveryTarget, RegExp][] = [
    [at('2026-03-14 12:00:01Z'), /6 is missing in the archive, before 2026-03-14 12:00:01/],
    [lsn('0/6000000'), /6 is missing in the archive, before 0\/6000000/],
    [{ kind: 'xid', xid: '1', exclusive: false }, /recovery would end there/],
    [{ kind: 'name', name: 'x' }, /recovery would end there/],
  ];
  for (const [target, why] of targets) {
    t.is(problem(holey, target, true), undefined);
    t.regex(String(problem(holey, target)), why);
  }
});

test('an LSN beyond the end of the archive is in no segment', (t) => {
  t.regex(String(problem(without(), lsn('0/B000000'))), /the archive ends with 000000010000000000000009/);
});

test('recovery reads each segment on the newest timeline that had begun by then', (t) => {
  const histories = new Map([[2, [{ timeline: 1, end: parseLsn('0/5400000') }]]]);
  const both = spansTo(2, histories);
  t.is(fileFor(4n, both, size), '000000010000000000000004');
  t.is(fileFor(5n, both, size), '000000020000000000000005');
  const segments = new Set([
    ...range('000000010000000000000003', '000000010000000000000004'),
    ...range('000000020000000000000005', '000000020000000000000006'),
    '000000010000000000000007',
  ]);
  t.deepEqual(coverageFrom('000000010000000000000003', both, segments, size), {
    last: '000000020000000000000006',
    hole: undefined,
  });
});

test('the newest timeline is found as the server finds it: one after the other', (t) => {
  const histories = new Map([
    [2, []],
    [3, []],
    [5, []],
  ]);
  t.is(newestTimeline(1, histories), 3);
  t.is(newestTimeline(5, histories), 5);
  t.is(newestTimeline(1, new Map()), 1);
});

test('a target that no record has is doubtful, and so is all where there is no archive; what PostgreSQL does is told', (t) => {
  const segments = without();
  const doubt = (target: RecoveryTarget, archived: Set<string> = segments) =>
    doubtAbout({ ...needs(segments, target), archived });
  const noon = at('2026-03-14 12:00:00Z');
  t.is(doubtAbout({ ...needs(segments, noon, true), archived: segments }), undefined);
  t.is(
    doubt(noon),
    'the archive ends with 000000010000000000000009, and no transaction in it ended after 2026-03-14 12:00:00.000000+00: PostgreSQL ends the recovery with an error. If the server that wrote the WAL runs, type SELECT pg_switch_wal() there first',
  );
  const old = { ...needs(segments, noon), backup: { ...backup, serverVersion: '12.22' } };
  t.regex(String(doubtAbout({ ...old, archived: segments })), /PostgreSQL 12 opens at the end of the WAL/);
  t.regex(String(doubt({ kind: 'xid', xid: '9', exclusive: false })), /transaction 9 .*name an older backup/);
  t.regex(String(doubt({ kind: 'name', name: 'x' })), /restore point x is not in .*name an older backup/);
  t.regex(String(doubt(lsn('0/9FFFFFF'))), /no record in it begins at 0\/9FFFFFF or behind/);
  t.is(doubt({ kind: 'latest' }), undefined);
  const nothing = 'the archive has no WAL from the end of backup 7 on';
  t.is(doubt({ kind: 'latest' }, new Set()), `${nothing}: recovery ends there`);
  t.regex(
    String(doubt(noon, new Set())),
    new RegExp(`^${nothing}, and no transaction in it ended after .*: PostgreSQL ends the recovery with an`),
  );
  t.is(doubt({ kind: 'immediate' }, new Set()), undefined);
});

test('nothing follows a backup that ends exactly with the last segment, so that recovery does not stop at its end', (t) => {
  const { stopWal } = backup;
  const doubt = (segments: Set<string>, serverVersion = '18.4', stopLsn = '0/5000000') => {
    const of = needs(segments, { kind: 'immediate' });
    return doubtAbout({ ...of, backup: { ...backup, serverVersion, stopLsn }, archived: segments });
  };
  const last = new Set(range(backup.startWal, stopWal));
  t.regex(String(doubt(last)), /^backup 7 ends exactly with 000000010000000000000004, .*pg_switch_wal\(\)/);
  t.is(doubt(last, '12.22'), undefined, 'it opens there');
  t.is(doubt(last, '18.4', backup.stopLsn), undefined);
  t.is(doubt(without()), undefined);
});

test('a segment of the backup may be that of the next timeline, where the old one was left within it', (t) => {
  const stop = '000000010000000000000004';
  const histories = new Map([[2, [{ timeline: 1, end: parseLsn('0/4000100') }]]]);
  const of = needs(new Set(['000000010000000000000003', '000000020000000000000004']), { kind: 'immediate' });
  t.is(missingWal({ ...of, path: spansTo(2, histories) }), undefined);
  t.true(missingWal(of)?.endsWith(`and ${stop} is not there`));
});
