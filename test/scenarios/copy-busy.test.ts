// Copies of servers that do not sit still: DDL of every kind, WAL that is recycled meanwhile, many and big files.
import { readdir, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { amcheck } from '../../dev/demo/amcheck.ts';
import { copyScene, extracted, noCopies, run, started } from '../support/copies.ts';
import { openClient, type SqlClient } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noCopies);

/** Does it again and again, in a session of its own, until the test is over. */
function again(
  t: ExecutionContext,
  url: string,
  work: (client: SqlClient, round: number) => Promise<unknown>,
) {
  let working = true;
  const done = (async () => {
    const client = await openClient(url);
    for (let round = 0; working; round += 1) await work(client, round);
    await client.close();
  })();
  const stop = async () => {
    working = false;
    await done;
  };
  t.teardown(stop);
  return stop;
}

test('copies under a write load with DDL restore to what is consistent', async (t) => {
  const { admin, cluster, copy, db, startCopier, workerLogin } = await copyScene(t, {
    initdb: ['--data-checksums'],
  });
  await admin.query(`alter role ${workerLogin.role} replication`);
  await admin.query(`create table account (id int primary key, amount int);
    insert into account select n, 100 from generate_series(1, 2000) n`);
  await startCopier();
  const url = db.url;
  const stops = [
    again(t, url, (client) =>
      client.query(`with pair as (select (random() * 999)::int + 1 as a, (random() * 999)::int + 1001 as b)
        update account set amount = amount + case id when (select a from pair) then 1 else -1 end
        where id in (select a from pair union select b from pair)`),
    ),
    again(t, url, async (client, round) => {
      await client.query(`create table t${round} as select n, md5(n::text) from generate_series(1, 3000) n`);
      await client.query(`create index on t${round} (md5)`);
      if (round % 3 === 0) await client.query(`truncate t${round}`);
      if (round > 2) await client.query(`drop table t${round - 2}`);
      if (round % 4 === 0) await client.query('vacuum full account');
    }),
    again(t, cluster.url(), async (client, round) => {
      await client.query(`create database d${round}`);
      if (round > 0) await client.query(`drop database d${round - 1}`);
      await client.query('checkpoint');
    }),
  ];
  const backups = [];
  for (let round = 0; round < 3; round += 1) backups.push(await copy());
  await Promise.all(stops.map((stop) => stop()));
  for (const backup of backups) {
    t.deepEqual(backup.row.warnings, []);
    const restored = await extracted(t, backup, cluster.version);
    const client = await started(t, restored, db.name);
    t.is(await client.value('select sum(amount)::int from account'), 200_000);
    for (const { claim, holds, found } of await amcheck(client)) t.true(holds, `${claim}: ${found}`);
    await restored.stop('immediate');
  }
});

test('the server keeps the WAL for a worker with REPLICATION, however often it has its checkpoints', async (t) => {
  const { admin, cluster, copy, db, startCopier, workerLogin } = await copyScene(t, {
    initdb: ['--wal-segsize=1'],
    settings: { max_wal_size: '2MB', min_wal_size: '2MB', archive_mode: 'off' },
  });
  await admin.query(`alter role ${workerLogin.role} replication`);
  await admin.query('create table churned (n int, text text)');
  await startCopier();
  const stop = again(t, db.url, async (client) => {
    await client.query(
      `insert into churned select n, repeat(md5(n::text), 10) from generate_series(1, 500) n`,
    );
    await client.query('select pg_sleep(0.1)');
    await client.query('checkpoint');
  });
  const backup = await copy({ rate_limit: 4_000_000 });
  await stop();
  const segments = await readdir(join(backup.directory, 'pg_wal'));
  t.true(segments.length > 4, segments.join(' '));
  t.is(await admin.value('select count(*)::int from pg_replication_slots'), 0);
  const client = await started(t, await extracted(t, backup, cluster.version), db.name);
  t.true((await client.value<number>('select count(*)::int from churned')) > 0);
});

test('a relation of several files is copied, each page as its own block', async (t) => {
  const { admin, copy, cluster, startCopier } = await copyScene(t, { initdb: ['--data-checksums'] });
  await admin.query('create table big as select generate_series(1, 1000) n');
  await admin.query('checkpoint');
  const path = await admin.value<string>(`select pg_relation_filepath('big')`);
  // Its first file has a gigabyte, all of it new pages but the first few: so what follows goes into the second one.
  await truncate(join(String(cluster.dataDirectory), path), 2 ** 30);
  await admin.query('insert into big select generate_series(1001, 20000)');
  await startCopier();
  const backup = await copy();
  t.deepEqual(backup.row.warnings, []);
  t.deepEqual(backup.description.damagedPages, []);
  const listed = await run('tar', ['--zstd', '-tvf', join(backup.directory, 'base.tar.zst')]);
  const sizes = [path, `${path}.1`].map((name) =>
    Number(new RegExp(` (\\d+) \\S+ \\S+ ${name}$`, 'm').exec(listed)?.[1]),
  );
  t.is(sizes[0], 2 ** 30);
  t.true(Number(sizes[1]) > 0);
  t.true(backup.description.storedBytes < 2 ** 27);
});
