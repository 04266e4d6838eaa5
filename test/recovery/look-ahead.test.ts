import test from 'ava';
import { judged } from '../../src/recovery/look-ahead.ts';
import type { WalEvent } from '../../src/recovery/wal-events.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const segment = (n: number): WalEvent => ({ kind: 'segment', name: `00000001000000000000000${n}` });

test('what creates a tablespace in a free place is looked at once more when it is fetched: it may be taken by then', async (t) => {
  const location = await temporaryDirectory(t);
  const creation: WalEvent = {
    kind: 'tablespace',
    oid: '16999',
    location,
    lsn: 0x4000028n,
    after: undefined,
  };
  const lookedTo = async (events: WalEvent[], isOwn = false) => {
    const judging = {
      backup: { serverVersion: '18.4', stopLsn: '0/0' },
      stopBefore: undefined,
      asWere: false,
    };
    const stream = ReadableStream.from(events);
    return (await judged(stream, { isOwn: () => isOwn, judging, despiteDamage: false })).lookedTo;
  };
  t.is(await lookedTo([segment(3), segment(4), segment(5)]), '000000010000000000000005');
  const past = [segment(3), segment(4), creation, segment(5)];
  t.is(await lookedTo(past), '000000010000000000000003');
  t.is(await lookedTo(past, true), '000000010000000000000005', 'where the restore has put it itself');
});
