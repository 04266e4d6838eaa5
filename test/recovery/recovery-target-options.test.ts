import test from 'ava';
import { readTarget } from '../../src/recovery/recovery-target-options.ts';

test('a target is read from the options of a chore, as from the command line', (t) => {
  t.deepEqual(readTarget({}), { target: { kind: 'latest' }, timeline: 'latest' });
  t.deepEqual(readTarget({ target_immediate: true }), { target: { kind: 'immediate' }, timeline: 'latest' });
  t.deepEqual(readTarget({ target_lsn: '0/5000028', target_exclusive: true, target_timeline: 3 }), {
    target: { kind: 'lsn', lsn: 0x5000028n, exclusive: true },
    timeline: 3,
  });
  t.deepEqual(readTarget({ target_xid: 771 }).target, { kind: 'xid', xid: '771', exclusive: false });
  t.deepEqual(readTarget({ target_name: 'four' }).target, { kind: 'name', name: 'four' });
  t.like(readTarget({ target_time: '2026-03-14 12:00:00+00' }).target, { kind: 'time' });
});

for (const [options, message] of [
  [{ target: 'immediate' }, /there is no option "target"/],
  [{ target_time: 'yesterday' }, /target_time "yesterday" is not a date and time/],
  [{ target_xid: 'x' }, /target_xid "x" is not the number of a transaction/],
  [{ target_timeline: 'newest' }, /target_timeline "newest" is not/],
  [{ target_immediate: true, target_name: 'x' }, /give one target only/],
  [{ target_exclusive: true }, /needs a time/],
] as const) {
  test(`refused: ${JSON.stringify(options)}`, (t) => {
    t.throws(() => readTarget(options), { code: 'which_target', message });
  });
}
