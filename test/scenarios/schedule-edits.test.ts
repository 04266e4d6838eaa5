// When workers see what was written into backup_schedule, and whose clock says when it is due.
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { eventually } from '../support/eventually.ts';
import { scene } from '../support/scene.ts';
import { insertSchedule, scheduleOf, untilRun } from '../support/schedules.ts';
import type { SqlClient } from '../support/sql-client.ts';

const january = '0 0 1 1 *';
const july = '0 0 1 7 *';
/** Milliseconds. Workers read the table every ten seconds, and then again ten seconds after they were told of a change. */
const atOnce = { within: 5000 };
const byPoll = { within: 30_000 };

const edit = (client: SqlClient, cron: string) =>
  client.query('update holdfast.backup_schedule set cron = $1', [cron]);

async function untilIn(client: SqlClient, month: number, patience: { within: number }): Promise<void> {
  await eventually(
    `it is planned for month ${month}`,
    async () => (await scheduleOf(client)).next_run?.getUTCMonth() === month - 1,
    patience,
  );
}

test('a schedule that is edited is planned anew long before the next look at the table', async (t) => {
  const it = await scene(t);
  await it.startWorker();
  await insertSchedule(it.admin, january, { time_zone: 'UTC' });
  await untilIn(it.admin, 1, byPoll);
  for (const [cron, month] of [
    [july, 7],
    [january, 1],
    [july, 7],
  ] as const) {
    await edit(it.admin, cron);
    await untilIn(it.admin, month, atOnce);
  }
  t.pass();
});

test('a change that no notification tells of is found in the table', async (t) => {
  const it = await scene(t);
  await it.startWorker();
  await insertSchedule(it.admin, january, { time_zone: 'UTC' });
  await untilIn(it.admin, 1, byPoll);
  await it.admin.query('alter table holdfast.backup_schedule disable trigger announce_change_of_schedule');
  await edit(it.admin, july);
  await untilIn(it.admin, 7, byPoll);
  t.pass();
});

for (const [wrong, hours] of [
  ['ahead', 5],
  ['behind', -5],
] as const) {
  test(`a worker whose clock is five hours ${wrong} runs what is due on the database's clock`, async (t) => {
    const it = await scene(t);
    await it.startWorker({
      env: {
        NODE_OPTIONS: `--import ${fileURLToPath(new URL('../support/shifted-clock.ts', import.meta.url))}`,
        CLOCK_SHIFT: String(hours * 3_600_000),
      },
    });
    const before = await it.admin.value<Date>('select clock_timestamp()');
    await insertSchedule(it.admin, '* * * * * *');
    const run = await untilRun(it.admin, 'requested');
    t.true(run.due_at.getTime() > before.getTime() - 1000);
    t.true(await it.admin.value('select $1 <= clock_timestamp()', [run.due_at]));
    // a busy machine may miss a second, and no clock five hours
    t.true(run.due_at.getTime() - (run.missed_since ?? run.due_at).getTime() < 60_000);
    const early = await it.admin.value<Date>(`select date_trunc('second', now()) + interval '3 s'`);
    t.true(((await scheduleOf(it.admin)).next_run ?? early) <= early);
  });
}
