// A schedule of another kind than backup requests a chore.
import test from 'ava';
import { noChores } from '../support/chores.ts';
import { drillingScene } from '../support/drills.ts';
import { asRole } from '../support/installed-database.ts';
import { noRestore } from '../support/restored-copy.ts';
import { scene } from '../support/scene.ts';
import { insertSchedule, scheduleOf, untilRun } from '../support/schedules.ts';
import { testWhen } from '../support/test-when.ts';

test('a chore that is due is requested in the name of the schedule’s owner, and its end is the run’s', async (t) => {
  const it = await scene(t);
  const operator = await asRole(t, it.db, 'operator');
  await it.startWorker();
  await insertSchedule(operator, '* * * * * *', { kind: 'expire', options: '{"dry_run": true}' });
  // Its queue needs a control database on PostgreSQL 13 or newer.
  const works = it.db.cluster.version >= 13;
  const run = await untilRun(operator, works ? 'complete' : 'retrying');
  await operator.query('update holdfast.backup_schedule set enabled = false');
  const [chore] = await operator.query(
    `select c.requested_by, requested_login, automatic, c.schedule, kind, options, c.state, c.error_code
     from holdfast.backup_chore c join holdfast.backup_schedule_run r on r.chore_id = c.id where r.due_at = $1`,
    [run.due_at],
  );
  t.deepEqual(chore, {
    requested_by: operator.role,
    requested_login: it.workerLogin.role,
    automatic: false,
    schedule: 'nightly',
    kind: 'expire',
    options: { dry_run: true },
    state: works ? 'complete' : 'failed',
    error_code: works ? null : 'chores_unavailable',
  });
  t.is((await scheduleOf(operator)).last_success !== null, works);
});

testWhen(noRestore, noChores)('backups are verified and drilled by schedule', async (t) => {
  const it = await drillingScene(t);
  await it.backup();
  const operator = await asRole(t, it.db, 'operator');
  for (const [kind, options, records] of [
    ['verify', {}, 'backup_verification'],
    ['drill', { target_immediate: true }, 'backup_drill'],
  ] as const) {
    await insertSchedule(operator, '* * * * * *', { name: kind, kind, options });
    await untilRun(operator, 'complete', { name: kind, within: 60_000 });
    await operator.query('update holdfast.backup_schedule set enabled = false where name = $1', [kind]);
    const [chore] = await operator.query(
      `select kind, options, result from holdfast.backup_chore where schedule = $1 order by id limit 1`,
      [kind],
    );
    t.like(chore, { kind, options });
    t.true(await operator.value(`select bool_and(ok) from holdfast.${records}`));
    t.not((await scheduleOf(operator, kind)).last_success, null);
  }
});
