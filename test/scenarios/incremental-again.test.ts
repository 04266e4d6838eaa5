// Files that come again: shrunk and grown, dropped and made anew under the same number, in a database made anew.
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { noTool, toolsOf } from '../../dev/debian/postgres-tools.ts';
import { usual } from '../../dev/embedded/binaries.ts';
import type { EmbeddedCluster } from '../../dev/embedded/cluster.ts';
import { asServerUser } from '../../dev/embedded/server-user.ts';
import { readRelationLengths } from '../../src/repository/relation-lengths.ts';
import { chainScene, combined, summarizing, type ChainScene } from '../support/chains.ts';
import { ownCluster, type TestCluster } from '../support/cluster.ts';
import { noCopies, type StoredCopy } from '../support/copies.ts';
import { shared } from '../support/shared.ts';
import { connect, withClient, type SqlClient } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

/** With checksums, a page that only a reader has changed is in the WAL, too. */
const initdb = ['--data-checksums'];

// 18 writes its summaries as 17 does, and has the other tests.
for (const version of summarizing.filter((major) => major !== usual)) {
  const test = testWhen(noCopies, noTool(version, 'pg_combinebackup')).serial;
  const sharedChain = shared(import.meta.url, (t) => chainScene(t, { version, initdb }));

  test(`on ${version} pages without WAL behind a truncated relation stay empty, as the server has them`, async (t) => {
    const scene = await sharedChain();
    const { client, oid } = await idleDatabase(t, scene);
    await client.query(`
      create table t (n int, filler text) with (autovacuum_enabled = off);
      insert into t select n, repeat('x', 1000) from generate_series(1, 2100) n`);
    await client.query('vacuum (freeze) t');
    const links = [await scene.copy()];
    // 300 pages become 100, and then more again, some of which COPY adds ahead of its rows.
    await client.query('delete from t where n > 700');
    await client.query('vacuum t');
    t.is(await client.value(`select (pg_relation_size('t') / 8192)::int`), 100);
    links.push(await scene.increment());
    await client.query('begin');
    await client.query(`copy t from program 'seq 1 200 | awk ''{ printf "%d\\t%01000d\\n", $1, 7 }'''`);
    await client.query('rollback');
    const blocks = await client.value<number>(`select (pg_relation_size('t') / 8192)::int`);
    links.push(await scene.increment());
    const empty = await emptyPages(scene, await client.value<string>(`select pg_relation_filepath('t')`));
    t.true(empty > 0 && blocks < 300, `${blocks} pages, ${empty} of them empty`);
    await requireSame(t, scene, await combined(t, links, version), oid);
  });

  test(`on ${version} a database that is made anew under its number is what it is now`, async (t) => {
    const scene = await sharedChain();
    const { admin } = scene;
    const { client } = await idleDatabase(t, scene, 'model');
    await client.query('create table t as select n, md5(n::text) as text from generate_series(1, 20000) n');
    await client.close();
    const links: StoredCopy[] = [];
    for (const [round, strategy] of ['wal_log', 'file_copy', 'wal_log'].entries()) {
      await admin.query('drop database if exists twin');
      await admin.query(`create database twin template model oid 40000 strategy ${strategy}`);
      const twin = await connect(t, scene.cluster.url({ database: 'twin' }));
      await twin.query(`update t set text = '${round}' where n % 1000 = 0`);
      await twin.close();
      links.push(round === 0 ? await scene.copy() : await scene.increment());
    }
    await requireSame(t, scene, await combined(t, links, version), '40000');
  });
}

testWhen(noCopies, noTool(usual, 'pg_combinebackup'), noTool(usual, 'pg_resetwal')).serial(
  'a relation that is made anew under the number of a dropped one has nothing of that one',
  async (t) => {
    const cluster = await ownCluster(t, { version: usual, settings: { summarize_wal: 'on' }, initdb });
    const url = cluster.url({ database: 'idle' });
    await withClient(cluster.url(), (client) => client.query('create database idle'));
    const wanted = await withClient(url, async (client) => {
      await client.query(`select count(lo_create(0)) from generate_series(1, 10000)`); // takes a number each
      await client.query('create table dropped as select n, -n as other from generate_series(1, 200000) n');
      return client.value<number>(`select pg_relation_filenode('dropped')::int`);
    });
    await continueNumbersAt(cluster, 2 ** 32 - 50);
    const scene = await chainScene(t, { cluster });
    const client = await connect(t, url);
    await client.query('create table again (n int, other int) with (autovacuum_enabled = off)');
    const links = [await scene.copy()];
    await client.query('drop table dropped');
    await client.query('checkpoint'); // until then the file keeps its number
    const number = async () => Number(await client.value(`select pg_relation_filenode('again')::bigint`));
    await client.query('truncate again');
    const ahead = wanted - (await number());
    t.true(ahead > 100, `${ahead} numbers are left up to ${wanted}`);
    await withClient(cluster.url(), (other) =>
      other.query('select count(lo_create(0)) from generate_series(1, $1)', [ahead - 50]),
    );
    for (let tries = 0; (await number()) !== wanted; tries += 1) {
      if (tries > 100) throw new Error(`the number ${wanted} does not come again: it is ${await number()}`);
      await client.query('truncate again');
    }
    await client.query('insert into again select n, n from generate_series(1, 100000) n');
    await client.query('vacuum (freeze) again'); // or the next statement that reads it would change every page
    links.push(await scene.increment());
    await client.query('update again set other = 0 where n = 50000');
    links.push(await scene.increment());
    const isPartial = async (copy: StoredCopy | undefined) =>
      (await partialFiles(copy)).some((path) => path.endsWith(`/${wanted}`));
    t.false(await isPartial(links[1]));
    t.true(await isPartial(links[2]));
    const oid = String(await client.value('select oid from pg_database where datname = current_database()'));
    await requireSame(t, scene, await combined(t, links, usual), oid);
  },
);

testWhen(noCopies, noTool(usual, 'pg_combinebackup')).serial(
  'a relation of more than one file is what it is now after it has shrunk and grown again',
  async (t) => {
    t.timeout(900_000);
    const scene = await chainScene(t, {
      version: usual,
      initdb,
      settings: { max_wal_size: '512MB', checkpoint_timeout: '1h' },
    });
    const { client, oid } = await idleDatabase(t, scene);
    const fill = (from: number, to: number) =>
      client.query(`insert into big select n, repeat('x', 4000) from generate_series(${from}, ${to}) n`);
    // Two rows are on a page, and 131072 pages in a file.
    await client.query(`
      create table big (n int, filler text) with (autovacuum_enabled = off);
      alter table big alter filler set storage plain`);
    await fill(1, 280_000);
    await client.query('vacuum (freeze) big');
    const links = [await scene.copy()];
    const path = await client.value<string>(`select pg_relation_filepath('big')`);
    const file = join(String(scene.cluster.dataDirectory), path);
    const isLong = async (first: number, second: number) => {
      const sizes = await Promise.all(
        [file, `${file}.1`].map(async (name) => (await stat(name)).size / 8192),
      );
      t.deepEqual(sizes, [first, second]);
    };
    await isLong(131_072, 140_000 - 131_072);
    await client.query('delete from big where n > 120000');
    await client.query('vacuum big');
    await isLong(60_000, 0);
    links.push(await scene.increment());
    await fill(120_001, 270_000);
    await isLong(131_072, 135_000 - 131_072);
    await client.query('vacuum (freeze) big'); // likewise
    links.push(await scene.increment());
    await client.query('update big set n = -n where n % 10000 = 0');
    links.push(await scene.increment());
    t.true((links[3]?.description.bytes ?? Infinity) < 100_000_000);
    await requireSame(t, scene, await combined(t, links, usual), oid);
  },
);

/** A database in which nothing is written but by the test. */
async function idleDatabase(
  t: ExecutionContext,
  { admin, cluster }: ChainScene,
  name = 'idle',
): Promise<{ client: SqlClient; oid: string }> {
  await admin.query(`create database ${name}`);
  const client = await connect(t, cluster.url({ database: name }));
  const oid = await client.value<number>('select oid from pg_database where datname = current_database()');
  return { client, oid: String(oid) };
}

/** Nothing was written since the copy: its files have what the server's own have. */
async function requireSame(
  t: ExecutionContext,
  scene: ChainScene,
  cluster: EmbeddedCluster,
  database: string,
): Promise<void> {
  const [here, there] = [String(scene.cluster.dataDirectory), cluster.dataDirectory].map((data) =>
    join(data, 'base', database),
  ) as [string, string];
  const relations = await relationFiles(here);
  t.deepEqual(await relationFiles(there), relations);
  for (const name of relations) {
    const [ours, copied] = await Promise.all([readFile(join(here, name)), readFile(join(there, name))]);
    t.true(ours.equals(copied), `${name}: ${ours.length} and ${copied.length} bytes`);
  }
}

async function relationFiles(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => /^\d+(_\w+)?(\.\d+)?$/.test(name)).sort();
}

async function emptyPages({ cluster }: ChainScene, path: string): Promise<number> {
  const bytes = await readFile(join(String(cluster.dataDirectory), path));
  const pages = Array.from({ length: bytes.length / 8192 }, (_, n) =>
    bytes.subarray(n * 8192, (n + 1) * 8192),
  );
  return pages.filter((page) => page.every((byte) => byte === 0)).length;
}

/** The paths of the files of which an incremental copy has a part. */
async function partialFiles(copy: StoredCopy | undefined): Promise<string[]> {
  return [...readRelationLengths(await readFile(join(String(copy?.meta), 'lengths.jsonl'), 'utf8')).keys()];
}

/** The next relation of the server gets that number, or one soon after. */
async function continueNumbersAt(cluster: TestCluster, number: number): Promise<void> {
  await cluster.stop();
  const program = join(String(toolsOf(cluster.version, 'pg_resetwal')), 'pg_resetwal');
  await asServerUser.run(program, ['-o', String(number), '-D', String(cluster.dataDirectory)]);
  await cluster.start();
}
