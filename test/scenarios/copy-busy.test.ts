// Copies of servers with WAL that is recycled meanwhile, and with big files.
import { readdir, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { createCluster, type Major } from '../../dev/embedded/cluster.ts';
import { copyScene, extracted, noCopies, run, started } from '../support/copies.ts';
import { holdfast } from '../support/process.ts';
import { again, rest } from '../support/load.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noCopies).serial;

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
    await rest(client, 0.1);
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

test('a relation of several files is copied, each page as its own block, and restored', async (t) => {
  const { admin, copy, cluster, db, repository, startCopier } = await copyScene(t, {
    initdb: ['--data-checksums'],
  });
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

  const restored = await createCluster({ version: cluster.version as Major, empty: true });
  t.teardown(() => restored.remove());
  const to = restored.dataDirectory;
  const { status, stderr } = await holdfast([
    'restore',
    '--repository',
    repository,
    '--to',
    to,
    '--no-archiving',
  ]);
  t.is(status, 0, stderr);
  t.deepEqual(
    await Promise.all([path, `${path}.1`].map(async (name) => (await stat(join(to, name))).size)),
    sizes,
  );
  await restored.appendSettings({ restore_command: 'false' }); // the server's user cannot enter this repository
  const client = await started(t, restored, db.name);
  t.is(await client.value('select sum(n)::int from big'), (20_000 * 20_001) / 2);
});
