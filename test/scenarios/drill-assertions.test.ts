// What assertions of a drill may do: read everything, whosever it is, and nothing that a trap in the data could use.
import { readdir } from 'node:fs/promises';
import { assertions, drills, problemsOf } from '../support/drills.ts';
import { noRestore } from '../support/restored-copy.ts';
import { repositoryScene } from '../support/repository-scene.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore);

test('assertions read the tables of any owner, also those that others may not read, in databases closed to them', async (t) => {
  const scene = await repositoryScene(t);
  const { admin } = scene;
  await admin.query('create role shopkeeper');
  await admin.query('create database closed owner shopkeeper connection limit 0');
  await admin.query('revoke connect on database closed from public');
  await admin.query(`alter database closed set search_path = 'the shop'`);
  const shop = await connect(t, scene.cluster.url({ database: 'closed' }));
  await admin.query(`alter database closed set session_preload_libraries = 'there_is_no_such_library'`);
  await shop.query('set role shopkeeper; create schema "the shop"');
  await shop.query(`create table "the shop".accounts as select generate_series(1, 3) n;
    alter table "the shop".accounts enable row level security, force row level security;
    create table "the shop".sums as select 6 as n;
    create view "the shop".totals as select (select sum(n) from "the shop".sums) n;
    create sequence "the shop".numbers start 7`);
  await scene.backup();
  const drill = await drills(t, scene);
  const file = await assertions(t, 'closed', {
    'rows behind a policy': 'select count(*) = 3 from accounts',
    'through a view': 'select n = 6 from totals',
    'a sequence': 'select last_value = 7 from numbers',
    'settings of superusers': `select current_setting('data_directory') like '%/holdfast-drill-%'`,
  });
  const { status, result } = await drill.run('--target-immediate', '--assertions', file);
  t.is(status, 0, JSON.stringify([problemsOf(result), result.error]));
});

test('what an owner of tables has planted in them runs without rights when an assertion stumbles into it', async (t) => {
  const scene = await repositoryScene(t);
  const { admin, db } = scene;
  const place = await scene.cluster.serverDirectory('loot');
  await admin.query('create role thief; create schema shop authorization thief');
  await admin.query('set role thief');
  await admin.query(`create function shop.try(statement text) returns text language plpgsql as
    $$ begin execute statement; return 'done'; exception when others then return sqlerrm; end $$`);
  const tries = [
    'reset role',
    'reset session authorization',
    `set session authorization ${await admin.value<string>('select session_user')}`,
    `copy (select 1) to program ''touch "${place}/marker"''`,
    `copy (select 1) to ''${place}/marker''`,
    `select pg_read_file(''/etc/passwd'')`,
    'create role heir superuser',
    'alter role thief superuser',
    'create table shop.kept (n int)',
    'delete from shop.stock',
  ];
  await admin.query('create table shop.stock as select 1 as n');
  await admin.query(`create view shop.orders as
    select shop.try(statement) as said from unnest(array[${tries.map((text) => `'${text}'`).join()}]) statement`);
  await admin.query('reset role');
  await scene.backup();
  const drill = await drills(t, scene);
  const file = await assertions(t, db.name, {
    'there are orders': `select string_agg(said, ' | ') from shop.orders`,
  });
  const { result } = await drill.run('--target-immediate', '--assertions', file);
  const [said = ''] = problemsOf(result, 'assertion: there are orders');
  const [role, session, ...others] = JSON.parse(
    said.replace(/^it returned (.*) instead of true$/, '$1'),
  ).split(' | ') as string[];
  t.deepEqual([role, session], ['done', 'done']);
  t.is(others.length, tries.length - 2);
  for (const answer of others) t.regex(answer, /permission denied|must be superuser/);
  t.deepEqual(await readdir(place), []);
});
