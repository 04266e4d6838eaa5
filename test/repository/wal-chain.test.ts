// The chain of records from segment to segment, in the WAL of real servers.
import { randomBytes } from 'node:crypto';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { breakBetween, LinkReader } from '../../src/postgres/wal-chain.ts';
import { readCompressedFile, writeCompressed } from '../../src/repository/compressed-file.ts';
import { findBreak, readLinks, type SegmentFile } from '../../src/postgres/segment-chain.ts';
import { noOwnCluster, noServerFiles, ownCluster, type TestCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { connect, type SqlClient } from '../support/sql-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noOwnCluster, noServerFiles).serial;
const MB = 1 << 20;

test('records of every length, switches and crashes leave a chain that holds, with segments of 1, 16 and 64 MB', async (t) => {
  for (const size of [1, 16, 64]) {
    const cluster = await ownCluster(t, { initdb: [`--wal-segsize=${size}`] });
    const client = await connect(t, cluster.url());
    await client.query('checkpoint');
    await fill(client, size);
    await cluster.stop('immediate');
    await cluster.start();
    const again = await connect(t, cluster.url());
    await fill(again, size);
    const files = await stored(t, cluster, again, size * MB);
    t.true(files.length > 6, `${files.length} segments`);
    t.is(
      await findBreak(files, {
        segmentSize: size * MB,
        read: readCompressedFile,
        spans: [{ timeline: 1, begin: 0n, end: undefined }],
      }),
      undefined,
    );
    await cluster.stop('immediate');
  }
});

test('a segment that is left out, moved or of other bytes breaks it, with both names and the LSN', async (t) => {
  const cluster = await ownCluster(t, { initdb: ['--wal-segsize=1'] });
  const client = await connect(t, cluster.url());
  await fill(client, 1);
  const files = await stored(t, cluster, client, MB);
  const all = await Promise.all(files.map((file) => readLinks(file, MB, readCompressedFile)));
  let broken = 0;
  for (const [at, before] of all.entries()) {
    const [after, later] = [all[at + 1], all[at + 2]];
    if (after === undefined || later === undefined) continue;
    t.is(breakBetween(before, after), undefined);
    const reason = breakBetween(before, later);
    // The parts of one long record differ in what is left of it, at the least.
    t.true(String(reason).includes(`${later.name} does not follow ${before.name} at `), before.name);
    broken += 1;
  }
  t.true(broken > 4);
  const [first, second] = all;
  if (first === undefined || second === undefined) return t.fail('there are too few');
  t.regex(
    String(breakBetween(first, second, [{ timeline: 2, begin: 0n, end: undefined }])),
    /it was written on timeline 1, which is not the one/,
  );
});

test('bytes that are no WAL are no segment', (t) => {
  const links = (bytes: Buffer) => {
    const reader = new LinkReader('000000010000000000000001', BigInt(MB));
    reader.take(bytes);
    return reader.links();
  };
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(MB), randomBytes(MB)])
    t.throws(() => links(bytes), { instanceOf: RangeError });
});

/** Long records and short ones, in an order that puts a segment's end into each part of them. */
async function fill(client: SqlClient, size: number): Promise<void> {
  const emit = (bytes: number) =>
    client.query(`select pg_logical_emit_message(false, 'test', repeat('x', $1))`, [bytes]);
  for (const part of size === 64 ? [0.3, 1.2] : [0.3, 1.2, 2.5]) await emit(Math.floor(size * MB * part));
  await client.query(
    `select count(pg_logical_emit_message(false, 'test', repeat('y', n % 97))) from generate_series(1, $1) n`,
    [Math.min(size, 4) * 12_000],
  );
  for (let n = 0; n < (size === 64 ? 2 : 5); n += 1) {
    await emit(n * 8180);
    await client.query('select pg_switch_wal()');
  }
}

/** All segments that the server has archived, as our archive has them. */
async function stored(
  t: ExecutionContext,
  cluster: TestCluster,
  client: SqlClient,
  size: number,
): Promise<SegmentFile[]> {
  await client.query(`select pg_logical_emit_message(false, 'test', '')`);
  const last = await client.value<string>('select pg_walfile_name(pg_switch_wal())');
  const wal = String(cluster.archiveDirectory);
  await eventually(`${last} is archived`, async () => (await readdir(wal)).includes(last), {
    within: 120_000,
  });
  const names = (await readdir(wal)).filter((name) => /^[0-9A-F]{24}$/.test(name));
  const directory = await temporaryDirectory(t);
  const files: SegmentFile[] = [];
  for (const name of names.sort()) {
    const path = join(directory, `${name}.zst`);
    t.is((await stat(join(wal, name))).size, size);
    const [source, target] = [await open(join(wal, name)), await open(path, 'w')];
    await writeCompressed(source, size, target, 1);
    await Promise.all([source.close(), target.close()]);
    files.push({ name, path });
  }
  return files;
}
