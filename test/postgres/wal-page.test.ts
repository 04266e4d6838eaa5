// The magic number of WAL pages, as real servers write it, and as no supported server does.
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import anyTest from 'ava';
import { UnknownFormatError } from '../../src/postgres/unknown-format-error.ts';
import { LinkReader } from '../../src/postgres/wal-chain.ts';
import { parseSegmentHeader, segmentHeaderBytes } from '../../src/postgres/wal-header.ts';
import { hasWalMagic } from '../../src/postgres/wal-page.ts';
import { WalRecords } from '../../src/postgres/wal-records.ts';
import { noServerFiles, sharedCluster } from '../support/cluster.ts';
import { testWhen } from '../support/test-when.ts';
import { MB, segment1, segmentBytes } from '../support/wal.ts';

testWhen(noServerFiles)('the WAL of this server is known', async (t) => {
  const wal = join((await sharedCluster()).dataDirectory ?? '', 'pg_wal');
  const [name = ''] = (await readdir(wal)).filter((one) => /^[0-9A-F]{24}$/.test(one)).sort();
  const file = await open(join(wal, name));
  const { buffer } = await file.read(Buffer.alloc(segmentHeaderBytes), 0, segmentHeaderBytes, 0);
  await file.close();
  t.true(hasWalMagic(buffer));
  t.is(parseSegmentHeader(buffer).timeline, 1);
});

anyTest('the WAL of an unknown version is refused by the name of its magic number', (t) => {
  const bytes = segmentBytes({ magic: 0xd1f0 });
  const expected = {
    instanceOf: UnknownFormatError,
    message: 'it has WAL pages with the magic number 0xD1F0, which belongs to no PostgreSQL 12 to 19',
  };
  t.throws(() => parseSegmentHeader(bytes), expected);
  t.throws(() => new LinkReader(segment1, BigInt(MB)).take(bytes), expected);
  t.throws(() => [...new WalRecords(100).in(bytes, BigInt(MB), 8192)], expected);
});

anyTest('bytes of something else are not taken for WAL of an unknown version', (t) => {
  const bytes = segmentBytes({ magic: 0x4242 });
  const problem = t.throws(() => parseSegmentHeader(bytes), { message: /does not begin as a WAL segment/ });
  t.false(problem instanceof UnknownFormatError);
});
