// What a copy of a server in use has in base.tar, in which order, and what it leaves out.
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { copyScene, extracted, noCopies, run, started, type StoredCopy } from '../support/copies.ts';
import type { SqlClient } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noCopies).serial;

test('temporary and unlogged relations, slots, statistics and what else only the server needs are left out', async (t) => {
  const { admin, cluster, copy, db, startCopier } = await copyScene(t);
  const data = String(cluster.dataDirectory);
  await admin.query(`select pg_create_physical_replication_slot('standby', true)`);
  await admin.query('create temporary table passing as select generate_series(1, 1000) n');
  await admin.query('create unlogged table unlogged as select generate_series(1, 10000) n');
  await admin.query('create index on unlogged (n)');
  await admin.query('vacuum unlogged');
  const temporary = await fileOf(admin, 'passing');
  const unlogged = await Promise.all(['unlogged', 'unlogged_n_idx'].map((name) => fileOf(admin, name)));
  const leftOut = [
    temporary,
    ...unlogged,
    ...['_fsm', '_vm'].map((fork) => `${unlogged[0]}${fork}`),
    'pg_replslot/standby/state',
    'pg_stat_tmp/left.stat',
    'base/pgsql_tmp/pgsql_tmp1.0',
    'global/pg_internal.init',
    'postmaster.pid',
  ];
  for (const path of ['pg_stat_tmp/left.stat', 'base/pgsql_tmp/pgsql_tmp1.0']) {
    await mkdir(dirname(join(data, path)), { recursive: true });
    await writeFile(join(data, path), 'left');
  }
  for (const path of leftOut) t.true(existsSync(join(data, path)), path);

  await startCopier();
  const backup = await copy();
  const members = await membersOf(backup);
  t.deepEqual(
    leftOut.filter((path) => members.includes(path)),
    [],
  );
  for (const path of unlogged) t.true(members.includes(`${path}_init`), path);
  for (const directory of ['pg_wal', 'pg_replslot', 'pg_stat_tmp', 'pg_notify', 'pg_subtrans']) {
    const within = members.filter((path) => path.startsWith(`${directory}/`));
    t.true(within.length > 0 && within.every((path) => path.endsWith('/')), within.join());
  }
  t.false(members.some((path) => /pgsql_tmp|pg_internal\.init|^postmaster|\/t\d+_\d+/.test(path)));

  const client = await started(t, await extracted(t, backup, cluster.version), db.name);
  t.is(await client.value('select count(*)::int from unlogged'), 0);
  await client.query('insert into unlogged values (1)');
  t.is(await client.value('select count(*)::int from pg_replication_slots'), 0);
});

test('pg_control is the last of all that is copied, and only the label comes after it', async (t) => {
  const { admin, copy, startCopier } = await copyScene(t);
  await admin.query('create table zzz as select generate_series(1, 1000) n');
  await startCopier();
  const members = await membersOf(await copy());
  t.deepEqual(members.slice(-2), ['global/pg_control', 'backup_label']);
  t.is(members.indexOf('global/pg_control'), members.length - 2);
  t.is(new Set(members).size, members.length, 'nothing is there twice');
});

function fileOf(client: SqlClient, relation: string): Promise<string> {
  return client.value('select pg_relation_filepath($1)', [relation]);
}

async function membersOf({ directory }: StoredCopy): Promise<string[]> {
  const listed = await run('tar', ['--zstd', '-tf', join(directory, 'base.tar.zst')]);
  return listed.trimEnd().split('\n');
}
