// What a schedule does when the run before is still under way (overlap), and when one has failed (on_failure).
import test, { type ExecutionContext } from 'ava';
import { eventually } from '../support/eventually.ts';
import { asRole } from '../support/installed-database.ts';
import { scene, type Scene } from '../support/scene.ts';
import { insertSchedule, runsOf, scheduleOf, untilRun, wasDue } from '../support/schedules.ts';

const never = '0 0 1 1 *';

test('overlap = skip: a run is left out while the one before is under way', async (t) => {
  const it = await underWay(t, { overlap: 'skip' });
  await becomesDue(it);
  const skipped = await untilRun(it.admin, 'skipped');
  t.is(skipped.error, 'the run before was still under way');
  t.is(skipped.request_id, null);

  await finishAll(it);
  await untilRun(it.admin, 'complete');
  await becomesDue(it);
  await untilRun(it.admin, 'requested');
});

test('overlap = wait: one run waits for the one before, and no other', async (t) => {
  const it = await underWay(t, { overlap: 'wait' });
  await becomesDue(it);
  const waiting = await untilRun(it.admin, 'waiting');
  await becomesDue(it);
  t.is((await untilRun(it.admin, 'skipped')).error, 'another run waited already for the one before');

  await finishAll(it);
  const id = await eventually('the one that waited is requested', async () => {
    const runs = await runsOf(it.admin);
    return runs.find(({ due_at: due }) => due.getTime() === waiting.due_at.getTime())?.request_id;
  });
  t.is((await it.untilState(id, 'running')).state, 'running');
});

test('overlap = start: a run starts beside the one before', async (t) => {
  const it = await underWay(t, { overlap: 'start' });
  await becomesDue(it);
  await eventually('two are requested', async () => {
    const runs = await runsOf(it.admin);
    return runs.length === 2 && runs.every(({ state }) => state === 'requested');
  });
  t.is(new Set((await runsOf(it.admin)).map(({ request_id: id }) => id)).size, 2);
});

test('a backup that only waits for the archive holds up nothing', async (t) => {
  const it = await underWay(t, { overlap: 'skip' });
  const id = String((await runsOf(it.admin))[0]?.request_id);
  // As if its WAL were never archived: no worker has it.
  await it.admin.query('set session_replication_role = replica');
  await it.admin.query(
    `update holdfast.backup_request set state = 'archiving', stopped_at = now(), stop_lsn = '0/1', stop_wal = 'x',
       backup_label = 'x' where id = $1`,
    [id],
  );
  await it.admin.query('set session_replication_role = origin');
  await becomesDue(it);
  const next = await eventually(
    'the next is requested',
    async () => (await runsOf(it.admin)).at(1)?.request_id,
  );
  t.not(next, id);
});

test('on_failure = retry: it is tried again, later each time, until it is complete', async (t) => {
  const it = await underWay(t, { on_failure: 'retry' });
  await failAll(it);
  const first = await untilRun(it.admin, 'retrying');
  t.is(first.error_code, 'session_lost');
  t.true(minutesFromNow(first.start_at) > 0.4 && minutesFromNow(first.start_at) <= 1);

  await retryNow(it);
  await untilRun(it.admin, 'requested');
  await it.untilState(String((await runsOf(it.admin))[0]?.request_id), 'running');
  await failAll(it);
  const second = await untilRun(it.admin, 'retrying');
  t.is(second.attempts, 2);
  t.true(minutesFromNow(second.start_at) > 1.2 && minutesFromNow(second.start_at) <= 2);

  await retryNow(it);
  const third = await untilRun(it.admin, 'requested');
  await it.untilState(String(third.request_id), 'running');
  await finishAll(it);
  const done = await untilRun(it.admin, 'complete');
  t.is(done.attempts, 3);
  t.is(done.error, null);
  t.is(await it.admin.value('select count(distinct label)::int from holdfast.backup_request'), 1);
});

test('on_failure = retry: when the next run is due, that is tried instead', async (t) => {
  const it = await underWay(t, { on_failure: 'retry' });
  await failAll(it);
  await untilRun(it.admin, 'retrying');
  await becomesDue(it);
  await untilRun(it.admin, 'requested');
  t.deepEqual(
    (await runsOf(it.admin)).map(({ state }) => state),
    ['failed', 'requested'],
  );
});

test('on_failure = next: nothing is tried until the next run is due', async (t) => {
  const it = await underWay(t, { on_failure: 'next' });
  await failAll(it);
  t.is((await untilRun(it.admin, 'failed')).error_code, 'session_lost');
  t.true((await scheduleOf(it.admin)).enabled);
});

test('on_failure = pause: the schedule is disabled, says why, and runs again once it is enabled', async (t) => {
  const it = await underWay(t, { on_failure: 'pause' });
  await failAll(it);
  await untilRun(it.admin, 'failed');
  const paused = await scheduleOf(it.admin);
  t.false(paused.enabled);
  t.truthy(paused.paused_because);
  t.is(paused.next_run, null);

  await it.admin.query('update holdfast.backup_schedule set enabled = true');
  await eventually('it is planned', async () => (await scheduleOf(it.admin)).next_run);
  t.is((await scheduleOf(it.admin)).paused_because, null);
});

test('a cancelled request is no failure', async (t) => {
  const it = await underWay(t, { on_failure: 'pause' });
  await it.admin.query(`update holdfast.backup_request set state = 'cancelled'`);
  await untilRun(it.admin, 'cancelled');
  t.true((await scheduleOf(it.admin)).enabled);
});

test('an owner who is no operator any more: the run fails, and goes on when an operator takes it over', async (t) => {
  const it = await scene(t);
  const operator = await asRole(t, it.db, 'operator');
  await it.startWorker();
  await insertSchedule(operator, never);
  await it.admin.query(`revoke holdfast_operator from ${operator.role}`);
  await eventually('it is planned', async () => (await scheduleOf(it.admin)).next_run);
  await becomesDue(it);
  const failed = await untilRun(it.admin, 'retrying');
  t.regex(
    String(failed.error),
    new RegExp(`role "${operator.role}", which owns schedule "nightly", is no longer an operator`),
  );

  const other = await asRole(t, it.db, 'operator');
  await other.query(`update holdfast.backup_schedule set label_prefix = 'taken over'`);
  await retryNow(it);
  const { request_id: id } = await untilRun(it.admin, 'requested');
  t.is(
    await it.admin.value('select requested_by from holdfast.backup_request where id = $1', [id]),
    other.role,
  );
});

/** A schedule whose first run is being held. */
async function underWay(t: ExecutionContext, columns: Record<string, unknown>): Promise<Scene> {
  const it = await scene(t);
  await it.startWorker();
  await insertSchedule(it.admin, never, columns);
  await eventually('it is planned', async () => (await scheduleOf(it.admin)).next_run);
  await becomesDue(it);
  const { request_id: id } = await untilRun(it.admin, 'requested');
  await it.untilState(String(id), 'running');
  return it;
}

async function becomesDue(it: Scene): Promise<void> {
  const before = (await runsOf(it.admin)).length;
  await eventually('a second has passed', async () => {
    const runs = await runsOf(it.admin);
    const last = runs.at(-1)?.due_at.getTime() ?? 0;
    return (await it.admin.value<Date>(`select date_trunc('second', clock_timestamp())`)).getTime() > last;
  });
  await wasDue(it.admin, `date_trunc('second', clock_timestamp())`);
  await wakeWorkers(it);
  await eventually('it has been due', async () => (await runsOf(it.admin)).length > before);
}

async function retryNow(it: Scene): Promise<void> {
  await it.admin.query(`update holdfast.backup_schedule_run set start_at = now() where state = 'retrying'`);
  await wakeWorkers(it);
}

/** What they would find by themselves within ten seconds. */
async function wakeWorkers(it: Scene): Promise<void> {
  await it.admin.query(`select pg_notify('holdfast_request', '{"schedule": "nightly", "cluster": "main"}')`);
}

async function finishAll(it: Scene): Promise<void> {
  await it.admin.query(`update holdfast.backup_request set state = 'done' where state = 'running'`);
}

/** Their sessions are killed. */
async function failAll(it: Scene): Promise<void> {
  await it.admin.query(
    `select pg_terminate_backend(pid) from holdfast.backup_request where state = 'running'`,
  );
}

function minutesFromNow(moment: Date): number {
  return (moment.getTime() - Date.now()) / 60_000;
}
