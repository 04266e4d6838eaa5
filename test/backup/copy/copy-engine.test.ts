// What a copy makes of its end, which comes from pg_backup_stop.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { CopySummary } from '../../../src/backup/copy/copy-messages.ts';
import { crc32c } from '../../../src/postgres/crc32c.ts';
import { parseManifest } from '../../../src/postgres/read-manifest.ts';
import { readFrameIndex } from '../../../src/repository/frame-index.ts';
import { noServerFiles, ownCluster, type TestCluster } from '../../support/cluster.ts';
import { noCopies, run } from '../../support/copies.ts';
import { beginCopy, systemIdentifierOf } from '../../support/engine-copies.ts';
import { connect } from '../../support/sql-client.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { testWhen } from '../../support/test-when.ts';

const test = testWhen(noServerFiles, noCopies);

test('a tablespace that is not in the map, as it was created too late for it, is not in the backup', async (t) => {
  const cluster = await ownCluster(t);
  const client = await connect(t, cluster.url());
  const oids: string[] = [];
  for (const name of ['early', 'late']) {
    const location = await cluster.serverDirectory(name);
    await client.query(`create tablespace ${name} location '${location}'`);
    await client.query(`create table in_${name} tablespace ${name} as select generate_series(1, 1000) n`);
    oids.push(await client.value(`select oid::text from pg_tablespace where spcname = '${name}'`));
  }
  await client.query('checkpoint');
  const [early, late] = oids;
  const systemIdentifier = await systemIdentifierOf(cluster);
  const { output, summary } = await copied(t, cluster, {
    systemIdentifier,
    jobs: 2,
    tablespace: String(early),
  });

  t.deepEqual(summary.tars.map(({ name }) => name).sort(), [`${early}.tar.zst`, 'base.tar.zst']);
  t.deepEqual(
    summary.tablespaces.map(({ oid }) => String(oid)),
    [early],
  );
  t.deepEqual((await readdir(output)).sort(), [
    `${early}.tar.zst`,
    'backup_manifest',
    'base.tar.zst',
    'frames.jsonl',
  ]);

  const bytes = await readFile(join(output, 'backup_manifest'));
  const manifest = parseManifest(bytes);
  t.is(manifest.files.size, summary.files);
  t.is(
    [...manifest.files].reduce((sum, [, { size }]) => sum + size, 0),
    summary.bytes,
  );
  const spaces = new Set([...manifest.files].map(([path]) => /^pg_tblspc\/(\d+)/.exec(path)?.[1]));
  t.deepEqual([spaces.has(early), spaces.has(late)], [true, false]);
  t.is(crc32c(bytes), summary.manifestCrc32c);
  t.is(bytes.length, summary.manifestBytes);
  const [, checksum] = /"Manifest-Checksum": "(\w+)"/.exec(bytes.toString()) ?? [];
  const content = bytes.subarray(0, bytes.indexOf('"Manifest-Checksum"'));
  t.is(checksum, createHash('sha256').update(content).digest('hex'));

  const index = await readFile(join(output, 'frames.jsonl'));
  const tars = new Set(readFrameIndex(index.toString()).map(({ tar }) => tar));
  t.deepEqual([...tars].sort(), [`${early}.tar.zst`, 'base.tar.zst']);
  t.is(crc32c(index), summary.framesCrc32c);
});

test('one thread and four make the same backup', async (t) => {
  const cluster = await ownCluster(t);
  const client = await connect(t, cluster.url());
  const location = await cluster.serverDirectory('space');
  await client.query(`create tablespace space location '${location}'`);
  await client.query(
    `create table large as select n, md5(n::text) as text from generate_series(1, 200000) n;
     create table apart tablespace space as table large`,
  );
  const systemIdentifier = await systemIdentifierOf(cluster);
  const tablespace = await client.value<string>(
    `select oid::text from pg_tablespace where spcname = 'space'`,
  );
  await client.close();
  await cluster.stop();

  const copies = [];
  for (const jobs of [1, 4]) copies.push(await copied(t, cluster, { systemIdentifier, jobs, tablespace }));
  const [one, four] = await Promise.all(
    copies.map(async ({ output, summary }) => {
      const files = new Map(parseManifest(await readFile(join(output, 'backup_manifest'))).files);
      const { bytes, damagedPages, tablespaces } = summary;
      return { bytes, damagedPages, tablespaces, files, tars: await checksumsIn(t, output, summary) };
    }),
  );
  t.true(Number(one?.bytes) > 30 << 20, 'there are frames for all four');
  t.deepEqual(four, one);
  for (const [path, { crc32c: sum }] of one?.files ?? [])
    t.is(one?.tars.get(path.replace(/^pg_tblspc\/\d+\//, '')), sum, path);
});

test('of special files the first ones are named, the rest is counted, and none is copied', async (t) => {
  const cluster = await ownCluster(t);
  const systemIdentifier = await systemIdentifierOf(cluster);
  await cluster.stop();
  const data = String(cluster.dataDirectory);
  const pipes = Array.from({ length: 23 }, (_, n) => join(data, `pipe-${n}`));
  await run('mkfifo', pipes);
  const warnings: string[] = [];
  const { engine, output } = await beginCopy(t, cluster, {
    systemIdentifier,
    jobs: 1,
    onWarning: (text) => warnings.push(text),
  });
  await engine.copied;
  const named = warnings.filter((text) =>
    /pipe-\d+" is neither a file nor a directory and is not copied$/.test(text),
  );
  t.is(new Set(named).size, 20);
  t.deepEqual(
    warnings.filter((text) => !named.includes(text)),
    ['3 more such files are not copied'],
  );
  await engine.stop();
  t.notRegex(await run('tar', ['--zstd', '-tf', join(output, 'base.tar.zst')]), /pipe-/);
});

interface Copied {
  output: string;
  summary: CopySummary;
}

async function copied(
  t: ExecutionContext,
  cluster: TestCluster,
  { systemIdentifier, jobs, tablespace }: { systemIdentifier: string; jobs: number; tablespace: string },
): Promise<Copied> {
  const { engine, output } = await beginCopy(t, cluster, { systemIdentifier, jobs });
  await engine.copied;
  const summary = await engine.finish({
    label: Buffer.from('START WAL LOCATION\n'),
    tablespaceMap: Buffer.from(`${tablespace} /somewhere\n`),
    timeline: 1,
    stopLsn: '0/2000138',
  });
  return { output, summary };
}

/** Of the files that tar extracts, by their paths. */
async function checksumsIn(
  t: ExecutionContext,
  output: string,
  { tars }: CopySummary,
): Promise<Map<string, number>> {
  const place = await temporaryDirectory(t);
  for (const { name } of tars) await run('tar', ['--zstd', '-xf', join(output, name), '-C', place]);
  const sums = new Map<string, number>();
  for (const entry of await readdir(place, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    sums.set(path.slice(place.length + 1), crc32c(await readFile(path)));
  }
  return sums;
}
