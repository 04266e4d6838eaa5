// What workers record is what restores, expiry and alarms rely on: nobody else can write it, nor rewrite it later; and
// what operators say is any operator's to change, with the name of the one who did.
import test, { type ExecutionContext } from 'ava';
import { noChores } from '../support/chores.ts';
import { asRole, installedDatabase, type HoldfastRole } from '../support/installed-database.ts';
import { playWorker } from '../support/played-worker.ts';
import { requestIn } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const segment = '000000010000000000000001';

/** A row that each table would take, and a change of it that would be worth forging. */
const records: Record<string, { row: Record<string, unknown>; change: string }> = {
  archived_wal: {
    row: {
      cluster: 'main',
      timeline: 1,
      start_wal: segment,
      end_wal: segment,
      start_lsn: '0/1000000',
      end_lsn: '0/2000000',
      last_archived_at: 'now',
    },
    change: `last_archived_at = 'infinity'`,
  },
  backup_drill: {
    row: {
      cluster: 'main',
      worker: 'w',
      started_at: 'now',
      finished_at: 'now',
      ok: false,
      target: 'latest',
      error_code: 'x',
      error: 'x',
    },
    change: 'ok = true, error_code = null, error = null',
  },
  backup_verification: {
    row: {
      cluster: 'main',
      backup: 'b',
      started_at: 'now',
      finished_at: 'now',
      ok: true,
      files: 1,
      bytes: 1,
      segments: 1,
    },
    change: `finished_at = 'infinity'`,
  },
  backup_expiry: {
    row: {
      cluster: 'main',
      backup: 'b',
      method: 'copy',
      stopped_at: 'now',
      system_identifier: 1,
      start_lsn: '0/1',
      reason: 'r',
      begun_by: 'w',
    },
    change: 'removed_at = now()',
  },
  wal_expiry: {
    row: { cluster: 'main', timeline: 1, start_wal: segment, end_wal: segment, files: 1, reason: 'r' },
    change: `reason = 'another'`,
  },
};

/** With a row in each of these tables. */
async function recorded(t: ExecutionContext) {
  const db = await installedDatabase(t);
  const admin = await connect(t, db.url);
  for (const [table, { row }] of Object.entries(records)) {
    await admin.query(insertInto(table, row), Object.values(row));
  }
  return { db, admin };
}

for (const role of ['reader', 'requester', 'operator'] as HoldfastRole[]) {
  test(`holdfast_${role} can neither forge, change nor remove a record`, async (t) => {
    const { db } = await recorded(t);
    const client = await asRole(t, db, role);
    for (const [table, { row, change }] of Object.entries(records)) {
      const denied = { code: '42501', message: `permission denied for table ${table}` };
      await t.throwsAsync(client.query(insertInto(table, row), Object.values(row)), denied, table);
      await t.throwsAsync(client.query(`update holdfast.${table} set ${change}`), denied, table);
      await t.throwsAsync(client.query(`delete from holdfast.${table}`), denied, table);
      await t.throwsAsync(client.query(`truncate holdfast.${table}`), denied, table);
    }
    for (const call of [
      `select holdfast.begin_expiry('main', 'b', null, null, 'copy', now(), 1, '0/2', 'r', null)`,
      `select holdfast.end_expiry('main', 'b', 1, '0/1', 0, null)`,
    ]) {
      await t.throwsAsync(client.query(call), { code: '42501', message: /permission denied for function/ });
    }
  });
}

test('a worker records what it found, and not as somebody else', async (t) => {
  const { db } = await recorded(t);
  const worker = await asRole(t, db, 'worker');
  for (const [table, signature] of [
    ['backup_drill', 'drilled_by'],
    ['backup_verification', 'verified_by'],
    ['wal_expiry', 'begun_by'],
  ] as const) {
    const row = records[table]?.row ?? {};
    const as = { ...row, [signature]: 'somebody' };
    await t.throwsAsync(worker.query(insertInto(table, as), Object.values(as)), { code: '42501' }, table);
    await worker.query(insertInto(table, row), Object.values(row));
    t.is(
      await worker.value(`select ${signature} from holdfast.${table} order by id desc limit 1`),
      worker.role,
    );
  }
  const { row } = records['backup_expiry'] ?? { row: {} };
  await t.throwsAsync(worker.query(insertInto('backup_expiry', row), Object.values(row)), { code: '42501' });
});

test("a copy's damaged pages are written by workers only, once each, and by nobody again", async (t) => {
  const db = await installedDatabase(t);
  const [worker, requester] = [await asRole(t, db, 'worker'), await asRole(t, db, 'requester')];
  const admin = await connect(t, db.url);
  const id = await requestIn('complete', requester, await playWorker(t, db));
  const insert = `insert into holdfast.damaged_page (request_id, file, block) values (${id}, 'base/1/2', 3)`;
  await t.throwsAsync(requester.query(insert), { code: '42501' });
  await worker.query(insert);
  await worker.query(`${insert} on conflict do nothing`);
  t.is(await requester.value('select count(*)::int from holdfast.damaged_page'), 1);
  for (const statement of [
    'update holdfast.damaged_page set block = 4',
    'delete from holdfast.damaged_page',
    'truncate holdfast.damaged_page',
  ]) {
    await t.throwsAsync(worker.query(statement), { code: '42501' }, statement);
    await t.throwsAsync(admin.query(statement), { code: 'HF001', message: /it is a history/ }, statement);
  }
});

test('a history is not rewritten, not even by its owner', async (t) => {
  const { admin } = await recorded(t);
  const refused = (statement: string) =>
    t.throwsAsync(admin.query(statement), { code: 'HF001', message: /it is a history/ }, statement);
  for (const table of ['backup_drill', 'backup_verification', 'backup_expiry', 'wal_expiry']) {
    if (table !== 'backup_expiry')
      await refused(`update holdfast.${table} set ${records[table]?.change ?? ''}`);
    await refused(`delete from holdfast.${table}`);
    await refused(`truncate holdfast.${table}`);
  }
});

test('what one operator has said another changes, and the row says who did', async (t) => {
  const db = await installedDatabase(t);
  const [first, second] = [await asRole(t, db, 'operator'), await asRole(t, db, 'operator')];
  const id = await requestIn('complete', first, await playWorker(t, db));
  await first.query(`insert into holdfast.retention_policy (cluster, keep_last) values ('main', 3)`);
  await first.query(`insert into holdfast.legal_hold (request_id, reason) values (${id}, 'case')`);
  await first.query(`insert into holdfast.backup_schedule (name, cron) values ('nightly', '@daily')`);

  await second.query('update holdfast.retention_policy set keep_last = 5');
  t.is(await second.value('select changed_by from holdfast.retention_policy'), second.role);
  await second.query('update holdfast.legal_hold set released = true');
  t.deepEqual(await second.query('select placed_by, released_by from holdfast.legal_hold'), [
    { placed_by: first.role, released_by: second.role },
  ]);
  await second.query(`update holdfast.backup_schedule set cron = '@hourly'`);
  t.is(await second.value('select owner from holdfast.backup_schedule'), second.role);

  t.is((await first.query('delete from holdfast.retention_policy returning cluster')).length, 1);
  t.is((await first.query('delete from holdfast.backup_schedule returning name')).length, 1);
});

testWhen(noChores)('a chore that one operator asked for is given up by another, by name', async (t) => {
  const db = await installedDatabase(t);
  const [first, second] = [await asRole(t, db, 'operator'), await asRole(t, db, 'operator')];
  const id = await first.value(`insert into holdfast.backup_chore (kind) values ('expire') returning id`);
  for (const change of [`kind = 'sync'`, `options = '{}'`, `requested_by = 'somebody'`, 'attempts = 0']) {
    await t.throwsAsync(
      second.query(`update holdfast.backup_chore set ${change}`),
      { code: '42501' },
      change,
    );
  }
  await t.throwsAsync(second.query('delete from holdfast.backup_chore'), { code: '42501' });
  await second.query(`update holdfast.backup_chore set state = 'failed' where id = $1`, [id]);
  t.deepEqual(await first.query('select requested_by, error from holdfast.backup_chore'), [
    { requested_by: first.role, error: `role "${second.role}" gave the chore up` },
  ]);
});

function insertInto(table: string, row: Record<string, unknown>): string {
  const names = Object.keys(row);
  return `insert into holdfast.${table} (${names.join(', ')}) values (${names.map((_, n) => `$${n + 1}`).join(', ')})`;
}
