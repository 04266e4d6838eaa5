// Tablespaces of every kind, and pg_wal elsewhere: what is copied, into which tar, and that it restores.
import { chownSync, mkdirSync, renameSync, statSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { copyScene, extracted, noCopies, placeTablespace, run, started } from '../support/copies.ts';
import { ownCluster } from '../support/cluster.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noCopies).serial;

test('a tablespace elsewhere and one below the data directory have tars of their own', async (t) => {
  const { admin, cluster, copy, db, startCopier } = await copyScene(t);
  const data = String(cluster.dataDirectory);
  const outside = await cluster.serverDirectory('outside');
  const inside = join(data, 'inside');
  mkdirSync(inside, { mode: 0o700 });
  chownSync(inside, statSync(data).uid, statSync(data).gid);
  for (const [name, place] of [
    ['outside', outside],
    ['inside', inside],
  ]) {
    await admin.query(`create tablespace ${name} location '${place}'`);
    await admin.query(`create table in_${name} tablespace ${name} as select generate_series(1, 1000) n`);
  }
  // Another major version's directory beside ours is not this cluster's.
  mkdirSync(join(outside, 'PG_9.6_201608131', '5'), { recursive: true });
  await startCopier();
  const backup = await copy();

  const { tablespaces, tars } = backup.description;
  t.deepEqual(
    tablespaces.map(({ path }) => path),
    [outside, inside],
  );
  t.deepEqual(
    tars.map(({ name }) => name).sort(),
    [...tablespaces.map(({ tar }) => tar), 'base.tar.zst'].sort(),
  );
  const listed = async (tar: string) =>
    (await run('tar', ['--zstd', '-tf', join(backup.directory, tar)])).split('\n');
  const base = await listed('base.tar.zst');
  t.true(base.includes('inside/'));
  t.deepEqual(
    base.filter((name) => /^(inside|pg_tblspc)\/./.test(name)),
    [],
  );
  const spaces = await Promise.all(tablespaces.map(({ tar }) => listed(tar)));
  for (const names of spaces) {
    t.deepEqual(
      names.filter((name) => !/^PG_\d+_\d+\//.test(name)),
      [''],
    );
    t.false(names.some((name) => name.startsWith('PG_9.6')));
  }

  const restored = await extracted(t, backup, cluster.version);
  for (const tablespace of tablespaces) await placeTablespace(restored, backup, tablespace);
  const client = await started(t, restored, db.name);
  t.is(
    await client.value('select (select count(*) from in_outside) + (select count(*) from in_inside)'),
    '2000',
  );
});

test('a tablespace that is a directory in pg_tblspc itself is part of the base', async (t) => {
  const { admin, cluster, copy, db, startCopier } = await copyScene(t, { version: 18 });
  await admin.query('set allow_in_place_tablespaces = on');
  await admin.query(`create tablespace in_place location ''`);
  await admin.query('create table kept tablespace in_place as select generate_series(1, 1000) n');
  await startCopier();
  const backup = await copy();
  t.deepEqual(backup.description.tablespaces, []);
  t.is(backup.row.tablespace_map, null);
  const restored = await extracted(t, backup, cluster.version);
  await restored.appendSettings({ archive_mode: 'off', allow_in_place_tablespaces: 'on' });
  const client = await started(t, restored, db.name);
  t.is(await client.value('select count(*)::int from kept'), 1000);
});

test('pg_wal that is a link becomes an empty directory', async (t) => {
  const cluster = await ownCluster(t, { installed: true });
  const wal = join(String(cluster.dataDirectory), 'pg_wal');
  const elsewhere = join(dirname(String(cluster.dataDirectory)), 'wal-elsewhere');
  await cluster.stop();
  renameSync(wal, elsewhere);
  symlinkSync(elsewhere, wal);
  await cluster.start();
  const { copy, db, startCopier } = await copyScene(t, { cluster });
  await startCopier();
  const backup = await copy();
  t.deepEqual(backup.row.warnings, []);
  const names = await run('tar', ['--zstd', '-tf', join(backup.directory, 'base.tar.zst')]);
  const inside = names.split('\n').filter((name) => name.startsWith('pg_wal'));
  const summaries = cluster.version >= 17 ? ['pg_wal/summaries/'] : [];
  t.deepEqual(inside, ['pg_wal/', 'pg_wal/archive_status/', ...summaries]);
  const client = await started(t, await extracted(t, backup, cluster.version), db.name);
  t.is(await client.value('select 1'), 1);
});
