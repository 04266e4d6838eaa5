import test from 'ava';
import { formatLsn, isSameLsn, parseLsn } from '../../src/postgres/lsn.ts';
import {
  backupHistoryFileName,
  parseSegmentName,
  segmentBefore,
  segmentName,
  segmentRange,
} from '../../src/postgres/wal-segment.ts';
import { freshDatabase, sharedCluster } from '../support/cluster.ts';
import { connect } from '../support/sql-client.ts';

const MB = 1024 * 1024;

test('an LSN survives being parsed and written', (t) => {
  for (const text of ['0/0', '0/3000028', 'A/FFFFFFFF', 'FFFFFFFF/1']) t.is(formatLsn(parseLsn(text)), text);
  t.throws(() => parseLsn('0/3000028x'), { message: /"0\/3000028x" is not an LSN/ });
});

test('segments follow each other across a log file, at every segment size', (t) => {
  t.deepEqual(segmentRange('0000000100000000000000FE', '000000010000000100000001', 16 * MB), [
    '0000000100000000000000FE',
    '0000000100000000000000FF',
    '000000010000000100000000',
    '000000010000000100000001',
  ]);
  t.deepEqual(segmentRange('000000020000000000000003', '000000020000000100000000', 1024 * MB), [
    '000000020000000000000003',
    '000000020000000100000000',
  ]);
  t.deepEqual(segmentRange('000000010000000000000FFF', '000000010000000100000000', MB), [
    '000000010000000000000FFF',
    '000000010000000100000000',
  ]);
});

test('a segment name survives being parsed and written', (t) => {
  const name = '0000000A000000FF00000007';
  t.is(segmentName(parseSegmentName(name, 16 * MB), 16 * MB), name);
  t.throws(() => parseSegmentName('0000000A000000FF0000000g', 16 * MB), {
    message: /not the name of a WAL segment/,
  });
});

test('two texts of one LSN are the same, with and without leading zeros', (t) => {
  t.true(isSameLsn('0/3000028', '0/03000028'));
  t.true(isSameLsn('A/0', '0000000a/00000000'));
  t.false(isSameLsn('0/3000028', '0/30000280'));
  t.false(isSameLsn('1/0', '0/1'));
  t.true(isSameLsn('', ''));
  t.false(isSameLsn('', '0/0'));
});

test('the segment before an LSN has the byte before it', (t) => {
  const before = (lsn: string, size: number) => segmentBefore(parseLsn(lsn), 1, size);
  t.is(before('0/3000028', 16 * MB), '000000010000000000000003');
  t.is(before('0/3000000', 16 * MB), '000000010000000000000002');
  t.is(before('0/3000001', 16 * MB), '000000010000000000000003');
  t.is(before('1/0', 16 * MB), '0000000100000000000000FF');
  t.is(before('1/0', MB), '000000010000000000000FFF');
});

test('the history file is named after the segment and the offset in it', (t) => {
  t.is(
    backupHistoryFileName('000000010000000000000003', parseLsn('0/3000028'), 16 * MB),
    '000000010000000000000003.00000028.backup',
  );
  t.is(
    backupHistoryFileName('000000010000000000000000', parseLsn('0/3000028'), 1024 * MB),
    '000000010000000000000000.03000028.backup',
  );
});

test('names are the ones that the server gives', async (t) => {
  const { url } = await freshDatabase(t, await sharedCluster());
  const db = await connect(t, url);
  const [row] = await db.query<{ lsn: string; name: string; size: number }>(`
    select lsn::text, pg_walfile_name(lsn) as name, pg_size_bytes(current_setting('wal_segment_size'))::int as size
    from pg_current_wal_insert_lsn() lsn`);
  t.truthy(row);
  if (!row) return;
  const timeline = Number.parseInt(row.name.slice(0, 8), 16);
  t.is(segmentName({ timeline, number: (parseLsn(row.lsn) - 1n) / BigInt(row.size) }, row.size), row.name);
});
