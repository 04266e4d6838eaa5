// Schedules with incremental copies: what may be written, and when a run asks for a full copy.
import test, { type ExecutionContext } from 'ava';
import { asRole, installedDatabase } from '../support/installed-database.ts';
import { insertSchedule } from '../support/schedules.ts';
import { connect } from '../support/sql-client.ts';

const nightly = { method: 'copy', incremental: true };

test('incremental goes with backups by method copy, and how often a full one is wanted is a length of time', async (t) => {
  const operator = await asRole(t, await installedDatabase(t), 'operator');
  const refusal = (message: RegExp) => ({ code: '23514', message });
  await t.throwsAsync(
    insertSchedule(operator, '@daily', { incremental: true }),
    refusal(
      /^incremental goes with method copy, and schedule "nightly" requests backups with method "hold"$/,
    ),
  );
  await t.throwsAsync(
    insertSchedule(operator, '@daily', { incremental: true, method: 'copy', kind: 'verify' }),
    refusal(/^incremental goes with method copy, and schedule "nightly" requests chores of kind "verify"$/),
  );
  for (const every of ['0', '-1 day', '101 years'])
    await t.throwsAsync(
      insertSchedule(operator, '@daily', { ...nightly, full_every: every }),
      refusal(/full_every_is_positive/),
    );
  await insertSchedule(operator, '@daily', nightly);
  t.is(await operator.value(`select full_every::text from holdfast.backup_schedule`), '7 days');
  await t.throwsAsync(
    operator.query(`update holdfast.backup_schedule set method = 'hold'`),
    refusal(/^incremental goes with method copy/),
  );
  await operator.query(`update holdfast.backup_schedule set full_every = '1 month', incremental = false`);
});

/** A schedule, and a full copy that was requested or due in the past. */
async function stage(t: ExecutionContext, columns: Record<string, unknown> = {}) {
  const db = await installedDatabase(t);
  const client = await connect(t, db.url);
  await insertSchedule(client, '@daily', { ...nightly, time_zone: 'Europe/Berlin', ...columns });
  const write = async (statement: string, values: unknown[]) => {
    await client.query('begin');
    await client.query('set local session_replication_role = replica');
    const [row] = await client.query<{ id: string }>(statement, values);
    await client.query('commit');
    return String(row?.id);
  };
  return {
    client,
    write,
    /** `due`: in Berlin. */
    isDue: (due: string) =>
      client.value<boolean>(
        `select holdfast.full_copy_is_due(s, $1::timestamp at time zone 'Europe/Berlin') from holdfast.backup_schedule s`,
        [due],
      ),
    copy: (requested: string, more: { state?: string; parent?: string; method?: string } = {}) =>
      write(
        `insert into holdfast.backup_request (label, method, state, requested_by, requested_login, requested_at, moved_by,
           control_origin, worker, pid, backend_start, started_at, start_lsn, start_wal, timeline, system_identifier,
           server_version, stopped_at, stop_lsn, stop_wal, backup_label, archived_at, finished_at, incremental, parent,
           incremental_from, error, error_code)
         select 'copy', $2, $3, 'somebody', 'somebody', $1::timestamp at time zone 'Europe/Berlin', 'somebody', 'here',
           'played', 1, now(), now(), '0/2000028', '000000010000000000000002', 1, 1, '18.4', now(), '0/2000128',
           '000000010000000000000002', 'label', case when $3 = 'complete' then now() end,
           case when $3 <> 'archiving' then now() end, $4::bigint is not null, $4::bigint,
           case when $4::bigint is not null then '0/1000028'::pg_lsn end,
           case when $3 = 'failed' then 'it failed' end, case when $3 = 'failed' then 'failed' end
         returning id`,
        [requested, more.method ?? 'copy', more.state ?? 'complete', more.parent ?? null],
      ),
  };
}

test('without a full copy a run asks for one, and no other kind of backup takes its place', async (t) => {
  const { copy, isDue, client, write } = await stage(t);
  t.true(await isDue('2026-03-10 02:00'));
  await copy('2026-03-09 02:00', { method: 'hold' });
  await copy('2026-03-09 02:00', { state: 'failed' });
  await copy('2026-03-09 02:00', { state: 'archiving' });
  await copy('2026-03-09 02:00', { parent: '1' });
  t.true(await isDue('2026-03-10 02:00'));
  const full = await copy('2026-03-09 02:00');
  t.false(await isDue('2026-03-10 02:00'));
  await client.query(`insert into holdfast.missing_backup (request_id, cluster) values ($1, 'main')`, [full]);
  t.true(await isDue('2026-03-10 02:00'), 'it is missing');
  await client.query('delete from holdfast.missing_backup');
  await write('update holdfast.backup_request set expired_at = now() where id = $1', [full]);
  t.true(await isDue('2026-03-10 02:00'), 'it has expired');
});

test('the newest full copy counts, whoever asked for it, and only those of the cluster', async (t) => {
  const { copy, isDue, write } = await stage(t);
  await copy('2026-03-01 14:00');
  t.true(await isDue('2026-03-10 02:00'));
  const newer = await copy('2026-03-05 14:00');
  t.false(await isDue('2026-03-10 02:00'));
  await write(`update holdfast.backup_request set cluster = 'other' where id = $1`, [newer]);
  t.true(await isDue('2026-03-10 02:00'));
});

test('a week goes from due time to due time: neither a late start nor moved clocks put off a full copy', async (t) => {
  const { copy, isDue, client, write } = await stage(t);
  // Requested late, in the night in which clocks were put forward: it was due at two.
  const full = await copy('2026-03-22 04:30');
  await write(
    `insert into holdfast.backup_schedule_run (schedule, due_at, state, start_at, request_id, finished_at)
     values ('nightly', '2026-03-22 02:00'::timestamp at time zone 'Europe/Berlin', 'complete', now(), $1, now()) returning id`,
    [full],
  );
  t.false(await isDue('2026-03-28 02:00'));
  t.false(await isDue('2026-03-29 01:59:59'));
  t.true(await isDue('2026-03-29 02:00'), 'six days and 23 hours later');
  await client.query(`update holdfast.backup_schedule set full_every = '1 month'`);
  t.false(await isDue('2026-04-21 02:00'));
  t.true(await isDue('2026-04-22 02:00'));
});

test('a run asks for what is due in its request', async (t) => {
  const { client, copy } = await stage(t);
  const asked = async () => {
    await client.query(
      `select holdfast.request_scheduled(s, clock_timestamp()) from holdfast.backup_schedule s`,
    );
    return client.value<boolean>('select incremental from holdfast.backup_request order by id desc limit 1');
  };
  t.false(await asked());
  await copy(await client.value(`select (now() at time zone 'Europe/Berlin')::text`));
  t.true(await asked());
  await client.query(`update holdfast.backup_schedule set incremental = false`);
  t.false(await asked());
});
