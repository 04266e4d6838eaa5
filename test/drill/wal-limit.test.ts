import test from 'ava';
import { targetWithin } from '../../src/drill/wal-limit.ts';

test('a drill to the end of a backup that ends exactly with the last segment needs no record behind it', (t) => {
  const last = '000000010000000000000004';
  const backup = { serverVersion: '18.4', stopWal: last, stopLsn: '0/5000000', walSegmentSize: 1 << 24 };
  const immediate = { kind: 'immediate' } as const;
  t.deepEqual(targetWithin(immediate, backup, { last }), { kind: 'latest' });
  t.is(targetWithin(immediate, backup, { last: '000000010000000000000005' }), immediate);
  t.is(targetWithin(immediate, { ...backup, stopLsn: '0/4FFFFD8' }, { last }), immediate);
  const lsn = { kind: 'lsn', lsn: 0x6000000n, exclusive: false } as const;
  t.is(targetWithin(lsn, backup, { last }), lsn, 'that one is not there');
});
