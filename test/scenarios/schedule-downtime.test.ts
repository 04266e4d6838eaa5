// Nobody was there when it was due: no worker, or no control database.
import test from 'ava';
import { noOwnCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { scene, sceneOfItsOwn } from '../support/scene.ts';
import { insertSchedule, runsOf, scheduleOf, untilRun, wasDue } from '../support/schedules.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const threeDaysAgo = `date_trunc('hour', now()) - interval '3 days'`;

/** Every hour, but not within the minutes around now. */
function halfAnHourAgo(): string {
  return `${(new Date().getUTCMinutes() + 30) % 60} * * * *`;
}

test('after three days of downtime, catch_up = once runs once for all that was due', async (t) => {
  const it = await scene(t);
  await insertSchedule(it.admin, halfAnHourAgo(), { catch_up: 'once' });
  const since = await wasDue(it.admin, threeDaysAgo);
  await it.startWorker();
  const run = await untilRun(it.admin, 'requested');
  const hours = (Date.now() - run.due_at.getTime()) / 3_600_000;
  t.true(hours > 0 && hours < 1, 'it stands for the latest');
  t.deepEqual(run.missed_since, since);
  t.true(Number((await scheduleOf(it.admin)).next_run) > Date.now());
  t.is((await runsOf(it.admin)).length, 1);
  t.is(await it.admin.value('select count(*)::int from holdfast.backup_request'), 1);
});

test('after three days of downtime, catch_up = none goes on with the next time, and says what was missed', async (t) => {
  const it = await scene(t);
  await insertSchedule(it.admin, halfAnHourAgo(), { catch_up: 'none' });
  await wasDue(it.admin, threeDaysAgo);
  await it.startWorker();
  const run = await untilRun(it.admin, 'missed');
  t.truthy(run.missed_since);
  t.regex(String(run.error), /no worker/);
  t.true(Number((await scheduleOf(it.admin)).next_run) > Date.now());
  t.is(await it.admin.value('select count(*)::int from holdfast.backup_request'), 0);
});

test('a minute of downtime is none: what was due is requested, whatever catch_up says', async (t) => {
  const it = await scene(t);
  await insertSchedule(it.admin, '0 0 1 1 *', { catch_up: 'none' });
  const due = await wasDue(it.admin, `date_trunc('second', now()) - interval '1 min'`);
  await it.startWorker();
  const run = await untilRun(it.admin, 'requested');
  t.deepEqual(run.due_at, due);
});

test('what was never planned is made up for, too', async (t) => {
  const it = await scene(t);
  await insertSchedule(it.admin, halfAnHourAgo());
  await it.admin.query(
    `update holdfast.backup_schedule set planned_after = now() - interval '3 days', next_run = null`,
  );
  await it.startWorker();
  await untilRun(it.admin, 'requested');
  t.is((await runsOf(it.admin)).length, 1);
});

testWhen(noOwnCluster)(
  'a restarted control database loses no due time and requests none twice',
  async (t) => {
    const it = await sceneOfItsOwn(t);
    await Promise.all([it.startWorker(), it.startWorker()]);
    await insertSchedule(it.admin, '* * * * * *', { overlap: 'start', wait_for_archive: false });
    await eventually('it runs', async () => (await runsOf(it.admin)).length >= 2);
    await it.db.cluster.restart('immediate');
    const admin = await connect(t, it.db.url);
    const before = (await runsOf(admin)).length;
    await eventually('it goes on', async () => (await runsOf(admin)).length >= before + 3, {
      within: 60_000,
    });
    await admin.query(`update holdfast.backup_schedule set enabled = false`);
    const twice = await admin.query(
      'select label from holdfast.backup_request group by label having count(*) > 1',
    );
    t.deepEqual(twice, []);
    const lost = await admin.query(
      `select due_at from holdfast.backup_schedule_run where request_id is null and state = 'requested'`,
    );
    t.deepEqual(lost, []);
  },
);
