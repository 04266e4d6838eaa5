// What may be written into backup_schedule, by whom, and with which words it is refused.
import test from 'ava';
import { offsetAt } from '../../src/schedules/time-zone.ts';
import { asRole, installedDatabase, type HoldfastRole } from '../support/installed-database.ts';
import { playWorker } from '../support/played-worker.ts';
import { insertSchedule, scheduleOf } from '../support/schedules.ts';
import { connect } from '../support/sql-client.ts';

test('a bad cron expression is refused by the INSERT and by the UPDATE, with what is wrong', async (t) => {
  const operator = await asRole(t, await installedDatabase(t), 'operator');
  const refusal = {
    code: '22023',
    message: 'cron expression "0 25 * * *" cannot be used: hour: 25 is not between 0 and 23',
  };
  await t.throwsAsync(insertSchedule(operator, '0 25 * * *'), refusal);
  await insertSchedule(operator, '0 2 * * *');
  await t.throwsAsync(operator.query(`update holdfast.backup_schedule set cron = '0 25 * * *'`), refusal);
});

test('a bad time zone is refused, with what is wrong', async (t) => {
  const operator = await asRole(t, await installedDatabase(t), 'operator');
  for (const [zone, wrong] of [
    ['Europe/Berlinn', 'this server does not know it: see pg_timezone_names'],
    ['europe/berlin', 'it is written Europe/Berlin'],
    ['PDT', 'an abbreviation has no daylight saving time: name a place, such as Europe/Berlin'],
    ['UTC+3', 'this server does not know it: see pg_timezone_names'],
    ['posix/Europe/Berlin', 'this server does not know it: see pg_timezone_names'],
    ['', 'this server does not know it: see pg_timezone_names'],
  ]) {
    await t.throwsAsync(insertSchedule(operator, '0 2 * * *', { time_zone: zone }), {
      code: '22023',
      message: `time zone "${zone}" cannot be used: ${wrong}`,
    });
  }
  await t.notThrowsAsync(insertSchedule(operator, '0 2 * * *', { time_zone: 'Europe/Berlin' }));
});

test('workers can evaluate every time zone that the validator lets through', async (t) => {
  const client = await connect(t, (await installedDatabase(t)).url);
  const zones = await client.query<{ name: string; offset: number }>(
    `select name, (extract(epoch from utc_offset) * 1000)::float8 as offset from pg_timezone_names
     where name !~ '^(posix|right)/|^(Factory|localtime|posixrules)$'`,
  );
  t.true(zones.length > 300);
  const unknown = zones.filter(({ name }) => {
    try {
      offsetAt(name, Date.now());
      return false;
    } catch {
      return true;
    }
  });
  t.deepEqual(unknown, []);
});

test('what a request could not be is refused', async (t) => {
  const operator = await asRole(t, await installedDatabase(t), 'operator');
  for (const [columns, code, message] of [
    [{ cluster: 'nowhere' }, '23503', /cluster "nowhere" does not exist/],
    [{ method: 'rsync' }, '23514', /schedule_method_is_known/],
    [{ method: 'command' }, '23514', /schedule_command_goes_with_its_method/],
    [{ method: 'command', command: '/bin/sh' }, '23514', /schedule_command_is_a_name/],
    [{ rate_limit: 100_000 }, '23514', /schedule_rate_limit_goes_with_copy/],
    [{ label_prefix: 'two\nlines' }, '23514', /control characters/],
    [{ label_prefix: 'x'.repeat(901) }, '23514', /label_prefix_is_1_to_900_bytes/],
    [{ overlap: 'maybe' }, '23514', /overlap_is_known/],
    [{ on_failure: 'cry' }, '23514', /on_failure_is_known/],
    [{ catch_up: 'all' }, '23514', /catch_up_is_known/],
    [{ jitter: '2 days' }, '23514', /jitter_is_0_to_1_day/],
    [{ jitter: '-1 s' }, '23514', /jitter_is_0_to_1_day/],
    [{ name: 'two words' }, '23514', /schedule_name_is_valid/],
    [{ options: '{"a": 1}' }, '23514', /options_go_with_other_kinds/],
    [{ kind: 'lunch' }, /./, /kind/],
  ] as [Record<string, unknown>, string | RegExp, RegExp][]) {
    const error = await t.throwsAsync<Error & { code: string }>(insertSchedule(operator, '@daily', columns));
    t.regex(error.message, message);
    t.regex(error.code, new RegExp(code), JSON.stringify(columns));
  }
});

test('only operators write schedules, and nobody the columns of workers', async (t) => {
  const db = await installedDatabase(t);
  const admin = await connect(t, db.url);
  await insertSchedule(admin, '@daily');
  for (const role of ['reader', 'requester', 'worker'] as HoldfastRole[]) {
    const client = await asRole(t, db, role);
    await t.throwsAsync(insertSchedule(client, '@daily', { name: 'mine' }), { code: '42501' }, role);
    await t.throwsAsync(client.query('update holdfast.backup_schedule set enabled = false'), {
      code: '42501',
    });
    await t.throwsAsync(client.query('delete from holdfast.backup_schedule'), { code: '42501' });
    await t.throwsAsync(client.query('select * from holdfast.backup_schedule for update'), { code: '42501' });
    await t.notThrowsAsync(
      client.query('select * from holdfast.backup_schedule, holdfast.backup_schedule_run'),
    );
  }
  const operator = await asRole(t, db, 'operator');
  for (const column of [
    `name = 'other'`,
    `owner = 'postgres'`,
    'revision = 7',
    'next_run = now()',
    'last_run = now()',
    'last_success = now()',
    'planned_after = now()',
    `paused_because = 'x'`,
    `problem = 'x'`,
  ]) {
    await t.throwsAsync(
      operator.query(`update holdfast.backup_schedule set ${column}`),
      { code: '42501' },
      column,
    );
  }
  for (const statement of [
    `insert into holdfast.backup_schedule_run (schedule, due_at, state, start_at) values ('nightly', now(), 'due', now())`,
    `update holdfast.backup_schedule_run set state = 'due'`,
    'delete from holdfast.backup_schedule_run',
    `insert into holdfast.backup_request (schedule) values ('nightly')`,
  ]) {
    for (const role of ['operator', 'worker'] as HoldfastRole[]) {
      const client = await asRole(t, db, role);
      await t.throwsAsync(client.query(statement), { code: '42501' }, `${role}: ${statement}`);
    }
  }
});

test('whoever says what a schedule requests owns it; disabling it changes no owner', async (t) => {
  const db = await installedDatabase(t);
  const [first, second] = [await asRole(t, db, 'operator'), await asRole(t, db, 'operator')];
  await insertSchedule(first, '@daily');
  t.is((await scheduleOf(first)).owner, first.role);
  await second.query('update holdfast.backup_schedule set enabled = false');
  await second.query('update holdfast.backup_schedule set enabled = true');
  t.is((await scheduleOf(first)).owner, first.role);
  await second.query(`update holdfast.backup_schedule set label_prefix = 'other'`);
  t.is((await scheduleOf(first)).owner, second.role);
});

test('the functions of workers need a worker’s lock, and the role', async (t) => {
  const db = await installedDatabase(t);
  const admin = await connect(t, db.url);
  await insertSchedule(admin, '@daily');
  const calls = [
    `select holdfast.plan_schedule('nightly', 1, now(), null)`,
    `select holdfast.fire_schedule('nightly', 1, now(), now(), false, now(), null)`,
    `select holdfast.tend_schedule('nightly')`,
  ];
  const worker = await asRole(t, db, 'worker');
  const operator = await asRole(t, db, 'operator');
  for (const call of calls) {
    await t.throwsAsync(worker.query(call), { code: '42501', message: 'only a worker may do this' });
    await t.throwsAsync(admin.query(call), { code: '42501', message: 'only a worker may do this' });
    await t.throwsAsync(operator.query(call), { code: '42501', message: /permission denied/ });
  }
  const inner = `select holdfast.request_scheduled(s, now()) from holdfast.backup_schedule s`;
  await t.throwsAsync((await playWorker(t, db)).client.query(inner), { code: '42501' });
});

test('a worker can fire nothing that is not due, and no due time twice', async (t) => {
  const db = await installedDatabase(t);
  const admin = await connect(t, db.url);
  const { client: worker } = await playWorker(t, db);
  await insertSchedule(admin, '@daily');
  const fire = (revision: number, planned: string, due: string) =>
    worker.value(
      `select holdfast.fire_schedule('nightly', $1, $2, $3, false, $3::timestamptz + '1 day', null)`,
      [revision, planned, due],
    );
  const tomorrow = new Date(Date.now() + 86_400_000).toISOString();
  t.false(await fire(1, tomorrow, tomorrow), 'it is not planned');
  t.true(await worker.value(`select holdfast.plan_schedule('nightly', 1, $1, null)`, [tomorrow]));
  t.false(await worker.value(`select holdfast.plan_schedule('nightly', 1, $1, null)`, [tomorrow]), 'it is');
  t.false(await fire(1, tomorrow, tomorrow), 'it is not due');

  const due = '2026-01-01T00:00:00Z';
  await admin.query('update holdfast.backup_schedule set next_run = $1', [due]);
  t.false(await fire(2, due, due), 'another revision');
  t.true(await fire(1, due, due));
  t.false(await fire(1, due, due), 'once');
  await admin.query('update holdfast.backup_schedule set next_run = $1', [due]);
  t.true(await fire(1, due, due), 'as if it had been planned again');
  t.is(await admin.value('select count(*)::int from holdfast.backup_schedule_run'), 1);
});

test('INSERT, UPDATE and DELETE tell workers, and a worker’s own notes do not', async (t) => {
  const db = await installedDatabase(t);
  const listener = await connect(t, db.url);
  const operator = await asRole(t, db, 'operator');
  const admin = await connect(t, db.url);
  await listener.query('listen holdfast_request');
  const told = async () => {
    await admin.query(`notify holdfast_request, 'mark'`);
    await listener.notification((payload) => payload === 'mark');
    return listener.notifications.splice(0).filter(({ payload }) => payload !== 'mark');
  };
  const announcement = {
    channel: 'holdfast_request',
    payload: '{"schedule" : "nightly", "cluster" : "main"}',
  };
  await insertSchedule(operator, '@daily');
  t.deepEqual(await told(), [announcement]);
  await operator.query('update holdfast.backup_schedule set enabled = false');
  t.deepEqual(await told(), [announcement]);
  await admin.query('update holdfast.backup_schedule set next_run = now()');
  t.deepEqual(await told(), []);
  await operator.query('delete from holdfast.backup_schedule');
  t.deepEqual(await told(), [announcement]);
});

test('prune removes old runs, and never the newest of a schedule', async (t) => {
  const db = await installedDatabase(t);
  const admin = await connect(t, db.url);
  await insertSchedule(admin, '@daily');
  await admin.query(
    `insert into holdfast.backup_schedule_run (schedule, due_at, state, start_at, finished_at)
     select 'nightly', now() - n * interval '1 day', 'skipped', now(), now() - n * interval '1 day'
     from generate_series(10, 12) n`,
  );
  const operator = await asRole(t, db, 'operator');
  await operator.query('set holdfast.clock_is_right = on'); // nothing was done for ten days
  await operator.query(`select holdfast.prune('1 day')`);
  t.is(await admin.value('select count(*)::int from holdfast.backup_schedule_run'), 1);
});
