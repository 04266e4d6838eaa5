// What each role may do with each table, and that nobody else may do anything.
import test from 'ava';
import { asRole, installedDatabase, type HoldfastRole } from '../support/installed-database.ts';
import { request } from '../support/requests.ts';
import { connect, type SqlClient } from '../support/sql-client.ts';

const tables = [
  'archived_wal',
  'backup_chore',
  'backup_drill',
  'backup_event',
  'backup_expiry',
  'backup_request',
  'backup_schedule',
  'backup_schedule_run',
  'backup_session',
  'backup_stage',
  'backup_verification',
  'broken_chain',
  'cluster',
  'confirmed_origin',
  'damaged_page',
  'legal_hold',
  'migration',
  'missing_backup',
  'requested_label',
  'retention_policy',
  'setting',
  'state_transition',
  'wal_expiry',
  'worker',
];
/** What only functions with the rights of the schema's owner read and write. */
const readByNobody = 'requested_label';
const views = [
  'backup_chain',
  'backup_proof',
  'backup_status',
  'restore_window',
  'schedule_status',
  'worker_status',
];

/** Beside SELECT on everything, which all of them have. Of a whole table, or of some columns of it. */
const writes: Record<HoldfastRole, string[]> = {
  reader: [],
  requester: ['insert some of backup_request', 'update some of backup_request'],
  operator: [
    'delete backup_schedule',
    'delete retention_policy',
    'insert some of backup_chore',
    'insert some of backup_request',
    'insert some of backup_schedule',
    'insert some of legal_hold',
    'insert some of retention_policy',
    'update some of backup_chore',
    'update some of backup_request',
    'update some of backup_schedule',
    'update some of legal_hold',
    'update some of retention_policy',
  ],
  worker: [
    'delete archived_wal',
    'delete broken_chain',
    'delete missing_backup',
    'insert archived_wal',
    'insert backup_session',
    'insert some of backup_chore',
    'insert some of backup_drill',
    'insert some of backup_verification',
    'insert some of broken_chain',
    'insert some of cluster',
    'insert some of damaged_page',
    'insert some of missing_backup',
    'insert some of wal_expiry',
    'insert some of worker',
    'update archived_wal',
    'update backup_session',
    'update some of backup_chore',
    'update some of backup_request',
    'update some of backup_stage',
    'update some of broken_chain',
    'update some of cluster',
    'update some of worker',
  ],
};

/** The functions that do what their caller may not. */
const deeds: Record<HoldfastRole, string[]> = {
  reader: ['left_recovery_at'],
  requester: ['left_recovery_at'],
  operator: ['adopt', 'adopt_repository', 'forget_copy', 'left_recovery_at', 'prune'],
  worker: [
    'begin_expiry',
    'describe_wait',
    'end_expiry',
    'fire_schedule',
    'left_recovery_at',
    'plan_schedule',
    'recall_hold',
    'tend_schedule',
  ],
};

test('these lists are all the tables and views that there are', async (t) => {
  const client = await connect(t, (await installedDatabase(t)).url);
  const found = (kinds: string) =>
    client.value<string[]>(
      `select array_agg(relname::text order by relname::text collate "C") from pg_class
       where relnamespace = 'holdfast'::regnamespace and relkind = any ($1)`,
      [kinds],
    );
  t.deepEqual(await found('{r,p,f,m}'), tables);
  t.deepEqual(await found('{v}'), views);
});

for (const role of Object.keys(writes) as HoldfastRole[]) {
  test(`holdfast_${role} may read everything and write what it needs`, async (t) => {
    const client = await asRole(t, await installedDatabase(t), role);
    for (const relation of [...tables, ...views].filter((one) => one !== readByNobody)) {
      await t.notThrowsAsync(client.query(`select * from holdfast.${relation}`), relation);
    }
    t.deepEqual(await writesOf(client), writes[role]);
    t.deepEqual(await client.value(deedsOfMine), deeds[role]);
  });

  test(`holdfast_${role} may create nothing in the schema and use no sequence`, async (t) => {
    const db = await installedDatabase(t);
    const client = await asRole(t, db, role);
    for (const statement of [
      'create table holdfast.mine ()',
      'create view holdfast.mine as select 1',
      'create function holdfast.mine() returns int language sql as $$ select 1 $$',
      'create trigger mine before insert on holdfast.backup_request execute function holdfast.guard_backup_request()',
      'create rule mine as on insert to holdfast.backup_request do nothing',
      'create table public_mine (id bigint references holdfast.backup_request)',
      'alter table holdfast.backup_request disable trigger all',
      'alter table holdfast.backup_request disable row level security',
      'create policy mine on holdfast.backup_request using (true)',
      `select nextval('holdfast.backup_request_id_seq')`,
      `select setval('holdfast.backup_request_id_seq', 1000)`,
      `select setval('holdfast.backup_event_id_seq', 1000)`,
      `comment on table holdfast.backup_request is 'mine'`,
      'drop table holdfast.setting',
    ]) {
      await t.throwsAsync(client.query(statement), { code: '42501' }, statement);
    }
  });
}

test('a login without a role of the schema can neither see nor do anything', async (t) => {
  const db = await installedDatabase(t);
  await request(await connect(t, db.url));
  const nobody = await asRole(t, db);
  for (const statement of [
    ...[...tables, ...views].map((name) => `select * from holdfast.${name}`),
    'insert into holdfast.backup_request default values',
    'call holdfast.start_backup()',
    'select holdfast.session_state(1)',
    `select holdfast.prune('0')`,
  ]) {
    await t.throwsAsync(nobody.query(statement), { code: '42501' }, statement);
  }
});

test('no function or procedure can be executed by everybody', async (t) => {
  const client = await connect(t, (await installedDatabase(t)).url);
  const open = `select oid::regprocedure::text from pg_proc
    where pronamespace = 'holdfast'::regnamespace and has_function_privilege('public', oid, 'execute')`;
  t.deepEqual(await client.query(open), []);
});

test('a reader can wait for backups and see their sessions, but neither request, finish, cancel nor prune', async (t) => {
  const db = await installedDatabase(t);
  const id = await request(await connect(t, db.url), { label: 'nightly' });
  const reader = await asRole(t, db, 'reader');
  for (const statement of [
    'insert into holdfast.backup_request default values',
    `update holdfast.backup_request set state = 'cancelled'`,
    'select * from holdfast.backup_request for share',
    'call holdfast.start_backup()',
    `call holdfast.stop_backup('nightly')`,
    `call holdfast.cancel_backup(${id})`,
    `select holdfast.prune('1 day')`,
  ]) {
    await t.throwsAsync(reader.query(statement), { code: '42501' }, statement);
  }
  t.is(await reader.value(`call holdfast.wait_for_backup(${id}, 'requested')`), id);
  t.is(await reader.value(`select holdfast.session_state(${id})`), null);
});

const deedsOfMine = `select coalesce(array_agg(proname::text order by proname::text collate "C"), '{}') from pg_proc
  where pronamespace = 'holdfast'::regnamespace and prosecdef and prorettype <> 'trigger'::regtype
    and has_function_privilege(oid, 'execute')`;

async function writesOf(client: SqlClient): Promise<string[]> {
  const found: string[] = [];
  for (const verb of ['delete', 'insert', 'references', 'trigger', 'truncate', 'update']) {
    for (const name of [...tables, ...views]) {
      const has = (kind: string) =>
        client.value<boolean>(`select has_${kind}_privilege($1, $2)`, [`holdfast.${name}`, verb]);
      if (await has('table')) found.push(`${verb} ${name}`);
      else if (!['delete', 'trigger', 'truncate'].includes(verb) && (await has('any_column'))) {
        found.push(`${verb} some of ${name}`);
      }
    }
  }
  return found.sort();
}
