// Against the pages of a real server.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import {
  damagedPages,
  memoryForPages,
  pageChecksum,
  type PageRules,
} from '../../src/postgres/page-checksum.ts';
import { parseLsn } from '../../src/postgres/lsn.ts';
import { noServerFiles, ownCluster } from '../support/cluster.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noServerFiles);
const rules: PageRules = { blockSize: 8192, startLsn: 1n << 63n };

interface ServerPages {
  words: Int32Array;
  pages: number;
  lsn: string;
}

/** A table of a few dozen pages, as it lies on the disk: in any memory, and in that of pages. */
async function pagesOfServer(t: ExecutionContext): Promise<ServerPages[]> {
  const cluster = await ownCluster(t, { initdb: ['--data-checksums'] });
  const client = await connect(t, cluster.url());
  await client.query('create table kept as select n, md5(n::text) from generate_series(1, 10000) n');
  const lsn = await client.value<string>('select pg_current_wal_lsn()');
  await client.query('checkpoint');
  const path = await client.value<string>(`select pg_relation_filepath('kept')`);
  const file = await readFile(join(String(cluster.dataDirectory), path));
  const pages = file.length / 8192;
  return [new ArrayBuffer(file.length), memoryForPages(file.length)].map((memory) => {
    new Uint8Array(memory).set(file);
    return { words: new Int32Array(memory, 0, file.length / 4), pages, lsn };
  });
}

/** A test of pages in each memory. */
function testOfPages(title: string, verify: (t: ExecutionContext, pages: ServerPages) => void): void {
  test(title, async (t) => {
    for (const pages of await pagesOfServer(t)) verify(t, pages);
  });
}

testOfPages(
  "a server's pages have the checksums that are computed, each as its own block",
  (t, { words, pages }) => {
    t.true(pages > 50);
    t.deepEqual(damagedPages(words, 0, { pages, firstBlock: 0 }, rules), []);
    // All but the new ones, which a server adds several at a time.
    t.true(damagedPages(words, 0, { pages, firstBlock: 1 }, rules).length > pages * 0.8);
    const before = words.slice();
    pageChecksum(words, 0, 8192, 0);
    t.deepEqual(words, before);
  },
);

testOfPages('one flipped bit is found, wherever it is', (t, { words, pages }) => {
  for (const [page, word] of [
    [3, 5],
    [7, 1024],
    [11, 2047],
  ] as const) {
    words[page * 2048 + word] = (words[page * 2048 + word] ?? 0) ^ (1 << 17);
  }
  t.deepEqual(damagedPages(words, 0, { pages, firstBlock: 0 }, rules), [3, 7, 11]);
  t.deepEqual(damagedPages(words, 7 * 2048, { pages: 1, firstBlock: 7 }, rules), [0]);
});

testOfPages(
  'a page is not new, nor written since, because its damaged header says so',
  (t, { words, pages, lsn }) => {
    const startLsn = parseLsn(lsn);
    words.fill(0, 3 * 2048, 3 * 2048 + 128); // a sector that was never written
    words.fill(0x20676f6c, 7 * 2048, 8 * 2048); // another file's text
    t.deepEqual(damagedPages(words, 0, { pages, firstBlock: 0 }, { blockSize: 8192, startLsn }), [3, 7]);
  },
);

testOfPages(
  'a new page, and one written since the backup began, are not looked at',
  (t, { words, pages }) => {
    words[2048 + 1000] = 1;
    words[1000] = 1;
    words.fill(0, 2 * 2048, 3 * 2048);
    t.deepEqual(damagedPages(words, 0, { pages, firstBlock: 0 }, rules), [0, 1]);
    const high = BigInt((words[2048] ?? 0) >>> 0);
    const lsnOfSecond = (high << 32n) | BigInt((words[2049] ?? 0) >>> 0);
    const atSecond = damagedPages(words, 0, { pages, firstBlock: 0 }, { ...rules, startLsn: lsnOfSecond });
    t.false(atSecond.includes(1));
    t.deepEqual(damagedPages(words, 0, { pages: 1, firstBlock: 0 }, { ...rules, startLsn: 0n }), []);
  },
);
