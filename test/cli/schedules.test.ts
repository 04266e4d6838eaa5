// What "holdfast status" and "holdfast check" say of schedules. How they are judged: test/control/schedule-health.test.ts.
import test from 'ava';
import { asRole, installedDatabase } from '../support/installed-database.ts';
import { holdfast } from '../support/process.ts';
import { insertSchedule } from '../support/schedules.ts';
import { connect } from '../support/sql-client.ts';

test('status shows when each schedule is due, and how its last run went, to a mere reader', async (t) => {
  const db = await installedDatabase(t);
  const admin = await connect(t, db.url);
  const { url } = await asRole(t, db, 'reader');
  t.notRegex((await holdfast(['status'], { url })).stdout, /Schedules/);

  await insertSchedule(admin, '0 2 * * *', { time_zone: 'Europe/Berlin' });
  await insertSchedule(admin, '@weekly', { name: 'weekly', enabled: false });
  await admin.query(
    `update holdfast.backup_schedule set next_run = now() + interval '5 hours 30 s', last_success = now() - interval '1 day'
     where name = 'nightly'`,
  );
  await admin.query(
    `insert into holdfast.backup_schedule_run (schedule, due_at, state, start_at, error)
     values ('nightly', '2026-03-14 02:00Z', 'retrying', now() + interval '1 min', 'disk full')`,
  );
  const { stdout } = await holdfast(['status'], { url });
  const lines = stdout.split('\n').map((line) => line.trim().split(/\s{2,}/));
  const expected = [
    ['nightly', 'main', 'backup', '0 2 * * * Europe/Berlin', 'enabled', 'in 5 h'],
    ['retrying, due 2026-03-14 02:00:00 UTC', '1 d ago', 'postgres', 'disk full'],
  ].flat();
  t.deepEqual(
    lines.find(([name]) => name === 'nightly'),
    expected,
  );
  t.deepEqual(lines.find(([name]) => name === 'weekly')?.slice(4, 8), ['disabled', '-', 'none', 'never']);

  const { schedules } = JSON.parse((await holdfast(['status', '--json'], { url })).stdout);
  t.like(schedules[0], {
    name: 'nightly',
    cron: '0 2 * * *',
    time_zone: 'Europe/Berlin',
    last_state: 'retrying',
  });
  t.is(schedules.length, 2);
});

test('check warns of a schedule that is overdue, paused, or whose last run failed', async (t) => {
  const db = await installedDatabase(t);
  const admin = await connect(t, db.url);
  await insertSchedule(admin, '@daily', { name: 'overdue' });
  await insertSchedule(admin, '@daily', { name: 'paused' });
  await insertSchedule(admin, '@daily', { name: 'unlucky' });
  await admin.query(
    `update holdfast.backup_schedule set next_run = now() + case name when 'overdue' then interval '-1 h' else '1 h' end`,
  );
  await admin.query(
    `update holdfast.backup_schedule set enabled = false, paused_because = 'disk full' where name = 'paused'`,
  );
  await admin.query(
    `insert into holdfast.backup_schedule_run (schedule, due_at, state, start_at, finished_at, error)
     values ('unlucky', '2026-03-14 02:00Z', 'failed', now(), now(), 'no luck')`,
  );
  const { stdout } = await holdfast(['check'], { url: db.url });
  t.regex(stdout, /^warning {2}schedule overdue: overdue for 1 h( \d min)?: no worker acts on it$/m);
  t.regex(stdout, /^warning {2}schedule paused: paused, since a run failed: disk full$/m);
  t.regex(
    stdout,
    /^warning {2}schedule unlucky: its last run, due at 2026-03-14T02:00:00Z, failed: no luck$/m,
  );
  const { schedules } = JSON.parse((await holdfast(['check', '--json'], { url: db.url })).stdout);
  t.is(schedules.length, 3);
});
