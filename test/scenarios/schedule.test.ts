// A row of backup_schedule, and what becomes of it: each due time is requested once, whatever happens meanwhile.
import test from 'ava';
import { untilLooked } from '../support/looks.ts';
import { eventually, eventuallyRow } from '../support/eventually.ts';
import { asRole } from '../support/installed-database.ts';
import { playWorker } from '../support/played-worker.ts';
import { scene } from '../support/scene.ts';
import { connect } from '../support/sql-client.ts';
import { insertSchedule, runsOf, scheduleOf, untilRun, wasDue } from '../support/schedules.ts';

const everySecond = '* * * * * *';
const never = '0 0 1 1 *';

test('what is due is requested in its owner’s name, and next_run, last_run and last_success say so', async (t) => {
  const it = await scene(t);
  const operator = await asRole(t, it.db, 'operator');
  await it.startWorker();
  await insertSchedule(operator, never, { label_prefix: 'weekly of', annotations: '{"ticket": 7}' });
  const planned = await eventually('it is planned', async () => (await scheduleOf(operator)).next_run);
  t.regex(planned.toISOString(), /^\d{4}-01-01T00:00:00\.000Z$/);

  await operator.query(`update holdfast.backup_schedule set cron = '${everySecond}'`);
  const run = await untilRun(operator, 'requested');
  await operator.query(`update holdfast.backup_schedule set cron = '${never}'`);
  const [request] = await operator.query(
    `select requested_by, requested_login, label, method, fast, annotations, schedule
     from holdfast.backup_request where id = $1`,
    [run.request_id],
  );
  const due = run.due_at.toISOString().replaceAll(/[-:]|\.\d+/g, '');
  t.deepEqual(request, {
    requested_by: operator.role,
    requested_login: it.workerLogin.role,
    label: `weekly of ${due}`,
    method: 'hold',
    fast: true,
    annotations: { ticket: 7 },
    schedule: 'nightly',
  });
  t.true(Number((await scheduleOf(operator)).last_run) >= run.due_at.getTime());

  await it.untilState(String(run.request_id), 'running');
  await operator.query(`update holdfast.backup_request set state = 'done' where id = $1`, [run.request_id]);
  await untilRun(operator, 'complete');
  t.truthy((await scheduleOf(operator)).last_success);
});

test('three workers request each due time once, and leave none out', async (t) => {
  const it = await scene(t);
  await Promise.all([it.startWorker(), it.startWorker(), it.startWorker()]);
  await insertSchedule(it.admin, everySecond, { overlap: 'start' });
  await eventually('eight are requested', async () => {
    const runs = await runsOf(it.admin);
    return runs.filter(({ state }) => state === 'requested').length >= 8;
  });
  await it.admin.query('delete from holdfast.backup_schedule'); // at once in all of them
  await untilLooked(it.admin, 1);

  const labels = await it.admin.query<{ due: Date; requests: string; workers: string }>(
    `select to_timestamp(substr(label, 9), 'YYYYMMDD"T"HH24MISS') as due, count(*) as requests
     from holdfast.backup_request group by 1 order by 1`,
  );
  t.true(labels.length >= 8);
  t.deepEqual(
    labels.filter(({ requests }) => requests !== '1'),
    [],
  );
  const first = Number(labels[0]?.due);
  const last = Number(labels.at(-1)?.due);
  t.true(labels.length >= (last - first) / 1000 / 2, 'a slow machine may put some together, not most');
});

test('a worker that is killed between the due row and the request leaves that to the next', async (t) => {
  const it = await scene(t);
  await insertSchedule(it.admin, never);
  const due = await wasDue(it.admin, `date_trunc('second', now())`);
  const dying = await playWorker(t, it.db);
  const fired = await dying.client.value(
    `select holdfast.fire_schedule('nightly', 1, $1, $1, false, 'infinity', null)`,
    [due],
  );
  t.true(fired);
  await dying.die();
  t.deepEqual(
    (await runsOf(it.admin)).map(({ state, request_id: request }) => [state, request]),
    [['due', null]],
  );

  await Promise.all([it.startWorker(), it.startWorker()]);
  const run = await untilRun(it.admin, 'requested');
  t.deepEqual(run.due_at, due);
  t.is(run.attempts, 1);
  t.is(await it.admin.value('select count(*)::int from holdfast.backup_request'), 1);
});

test('a worker that is killed while a run waits for its jitter leaves that to another', async (t) => {
  const it = await scene(t);
  const first = await it.startWorker();
  await insertSchedule(it.admin, everySecond, { jitter: '10 s', overlap: 'start' });
  await untilRun(it.admin, 'due');
  first.kill('SIGKILL');
  await first.exited;
  await it.admin.query(`update holdfast.backup_schedule set cron = '${never}'`);
  const runs = (await runsOf(it.admin)).length;
  await it.startWorker();
  await eventually('all of them have been requested', async () =>
    (await runsOf(it.admin)).every(({ state }) => state === 'requested'),
  );
  t.is(await it.admin.value('select count(*)::int from holdfast.backup_request'), runs);
  for (const { due_at: dueAt, start_at: startAt } of await runsOf(it.admin)) {
    t.true(startAt >= dueAt && startAt.getTime() < dueAt.getTime() + 10_000);
  }
});

test('a schedule edited while it is due runs as it says then, and once', async (t) => {
  const it = await scene(t);
  const worker = await it.startWorker();
  await insertSchedule(it.admin, never);
  await eventually('it is planned', async () => (await scheduleOf(it.admin)).next_run);

  worker.kill('SIGSTOP');
  const due = await wasDue(it.admin, `date_trunc('second', now())`);
  await it.admin.query('begin');
  await it.admin.query(`update holdfast.backup_schedule set label_prefix = 'edited'`);
  worker.kill('SIGCONT');
  await eventuallyRow(
    await connect(t, it.db.url),
    `select from pg_stat_activity where application_name = 'holdfast worker' and datname = current_database()
       and query like '%fire_schedule%' and state = 'idle'`,
  );
  await it.admin.query('commit');

  const run = await untilRun(it.admin, 'requested');
  t.deepEqual(run.due_at, due);
  t.regex((await it.row(String(run.request_id))).label, /^edited /);
  t.is((await runsOf(it.admin)).length, 1);
});

test('a schedule edited while it is due, not to be due then, does not run', async (t) => {
  const it = await scene(t);
  await it.startWorker();
  await it.admin.query('begin');
  await insertSchedule(it.admin, never);
  await wasDue(it.admin, `date_trunc('second', now())`);
  await it.admin.query(`update holdfast.backup_schedule set cron = '0 0 2 1 *'`);
  await it.admin.query('commit');
  const planned = await eventually('it is planned anew', async () => (await scheduleOf(it.admin)).next_run);
  t.regex(planned.toISOString(), /^\d{4}-01-02T00:00:00\.000Z$/);
  t.deepEqual(await runsOf(it.admin), []);
});

test('a schedule edited while it is due, to be due at that time too, runs at that time', async (t) => {
  const it = await scene(t);
  await it.startWorker();
  await it.admin.query('begin');
  await insertSchedule(it.admin, never);
  const due = await wasDue(it.admin, `date_trunc('second', now())`);
  await it.admin.query('update holdfast.backup_schedule set cron = $1', [
    `${due.getUTCSeconds()} ${due.getUTCMinutes()} ${due.getUTCHours()} * * *`,
  ]);
  await it.admin.query('commit');
  t.deepEqual((await untilRun(it.admin, 'requested')).due_at, due);
});

test('a disabled schedule does not run, and what was due meanwhile is not made up for', async (t) => {
  const it = await scene(t);
  await insertSchedule(it.admin, never, { enabled: false });
  await wasDue(it.admin, `date_trunc('second', now()) - interval '1 day'`);
  await it.startWorker();
  await insertSchedule(it.admin, everySecond, { name: 'other' });
  await untilRun(it.admin, 'requested', { name: 'other' });
  t.deepEqual(await runsOf(it.admin), []);

  await it.admin.query(`update holdfast.backup_schedule set enabled = true where name = 'nightly'`);
  await eventually('it is planned', async () => (await scheduleOf(it.admin)).next_run);
  t.true(Number((await scheduleOf(it.admin)).next_run) > Date.now());
  t.deepEqual(await runsOf(it.admin), []);
});

test('only workers that serve its cluster act on a schedule', async (t) => {
  const it = await scene(t);
  await it.admin.query(`insert into holdfast.cluster (name) values ('elsewhere')`);
  await it.startWorker();
  await insertSchedule(it.admin, everySecond, { name: 'there', cluster: 'elsewhere' });
  await insertSchedule(it.admin, everySecond, { name: 'here' });
  await untilRun(it.admin, 'requested', { name: 'here' });
  t.is((await scheduleOf(it.admin, 'there')).next_run, null);
});
