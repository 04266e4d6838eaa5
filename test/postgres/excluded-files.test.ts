import test from 'ava';
import {
  holdsRelations,
  isEmptied,
  isExcluded,
  isUnloggedContent,
  relationFile,
  unloggedRelation,
  versionDirectory,
} from '../../src/postgres/excluded-files.ts';

const leftOut = [
  'postmaster.pid',
  'postmaster.opts',
  'backup_label',
  'backup_label.old',
  'tablespace_map',
  'tablespace_map.old',
  'backup_manifest',
  'postgresql.auto.conf.tmp',
  'current_logfiles',
  'current_logfiles.tmp',
  'global/pg_control',
  'global/pg_internal.init',
  'global/INCREMENTAL.1260',
  'base/5/INCREMENTAL.16384.1',
  'base/5/pg_internal.init',
  'base/5/pg_internal.init.4711',
  'pg_tblspc/16384/PG_18_202506291/5/pg_internal.init',
  'base/pgsql_tmp',
  'base/pgsql_tmp/pgsql_tmp4711.0',
  'pg_tblspc/16384/PG_18_202506291/pgsql_tmp',
  'base/5/t3_16384',
  'base/5/t3_16384_fsm',
  'base/5/t3_16384_vm.1',
  'base/5/t12_16384.2',
  'pg_tblspc/16384/PG_18_202506291/5/t3_16384',
];

const copied = [
  'PG_VERSION',
  'postgresql.conf',
  'postgresql.auto.conf',
  'pg_hba.conf',
  'global/1262',
  'global/pg_filenode.map',
  'base/5/16384',
  'base/5/16384.1',
  'base/5/16384_fsm',
  'base/5/16384_init',
  'base/5/PG_VERSION',
  'base/5/pg_filenode.map',
  'base/5/t16384', // no temporary relation's name
  't3_16384', // no database's directory
  'log/postmaster.pid',
  'log/backup_label',
  'pg_xact/0000',
  'pg_stat/pgstat.stat',
  'pg_wal_of_mine',
  'INCREMENTAL.note',
  'log/INCREMENTAL.16384',
];

test('what a server makes anew, or what belongs to another backup, is left out', (t) => {
  for (const path of leftOut) t.true(isExcluded(path), path);
});

test('what looks similar, or lies elsewhere, is copied', (t) => {
  for (const path of copied) t.false(isExcluded(path), path);
});

test("directories with a server's transient state are copied empty", (t) => {
  const emptied = ['wal', 'replslot', 'dynshmem', 'notify', 'serial', 'snapshots', 'stat_tmp', 'subtrans'];
  for (const name of emptied) t.true(isEmptied(`pg_${name}`), name);
  for (const path of ['pg_stat', 'pg_xact', 'pg_logical', 'pg_twophase', 'base/pg_wal', 'pg_tblspc'])
    t.false(isEmptied(path), path);
});

test('of unlogged relations only the init fork is copied', (t) => {
  t.is(unloggedRelation('16384_init'), '16384');
  t.is(unloggedRelation('16384'), undefined);
  t.is(unloggedRelation('16384_init.1'), undefined);
  const unlogged = new Set(['16384']);
  for (const name of ['16384', '16384.1', '16384_fsm', '16384_vm', '16384_vm.1'])
    t.true(isUnloggedContent(name, unlogged), name);
  for (const name of ['16384_init', '16385', '163840', 'pg_filenode.map'])
    t.false(isUnloggedContent(name, unlogged), name);
});

test('a file name tells the relation, its fork and which of its files it is', (t) => {
  t.deepEqual(relationFile('16384'), { relation: '16384', fork: 'main', segment: 0 });
  t.deepEqual(relationFile('16384.12'), { relation: '16384', fork: 'main', segment: 12 });
  t.deepEqual(relationFile('16384_vm.2'), { relation: '16384', fork: 'vm', segment: 2 });
  for (const name of ['PG_VERSION', 'pg_filenode.map', 't3_16384', '16384_x', '16384.', 'x16384'])
    t.is(relationFile(name), undefined, name);
});

test('relations are in databases and in global', (t) => {
  for (const path of ['global', 'base/1', 'base/16384', 'pg_tblspc/16384/PG_15_202209061/5'])
    t.true(holdsRelations(path), path);
  for (const path of ['', 'base', 'pg_xact', 'base/5/deeper', 'pg_tblspc/16384', 'log/5'])
    t.false(holdsRelations(path), path);
});

test("a tablespace's directory has the major and the catalog version in its name", (t) => {
  t.is(versionDirectory(15, 202209061), 'PG_15_202209061');
});
