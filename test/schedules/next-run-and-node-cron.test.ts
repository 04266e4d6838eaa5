// The next runs, beside those of node-cron.
import test from 'ava';
import { createTask } from 'node-cron';
import { nextRun } from '../../src/schedules/next-run.ts';
import { random } from './random.ts';

test('between two runs there is no moment that node-cron would match, and every run is one', (t) => {
  const { upTo, pick } = random(7);
  const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe'];
  const minutes = ['*', '0', '*/7', '5,35', '50-10/5'];
  const hours = ['*', '*/5', '3', '22-1', '6-18/4'];
  const days = ['*', '?', 'L', '15W', '1-9', 'L-2', '31'];
  const weekdays = ['*', 'mon-fri', 'sunL', '3#2', '0,6'];
  for (let round = 0; round < 60; round += 1) {
    const expression = `${pick(minutes)} ${pick(hours)} ${pick(days)} * ${pick(weekdays)}`;
    const zone = pick(zones);
    // July and January: no clocks are changed in any of them.
    const start = Date.UTC(2026, pick([0, 6]), 3 + upTo(20), upTo(24), upTo(60));
    const task = createTask(expression, () => undefined, { timezone: zone });
    const expected: string[] = [];
    for (let moment = start + 60_000; moment <= start + 2 * 86_400_000; moment += 60_000)
      if (task.match(new Date(moment))) expected.push(iso(moment));
    void task.destroy();
    const found: string[] = [];
    for (
      let moment = nextRun(expression, zone, start);
      moment !== undefined && moment <= start + 2 * 86_400_000;
      moment = nextRun(expression, zone, moment)
    )
      found.push(iso(moment));
    t.deepEqual(found, expected, `${expression} in ${zone} after ${iso(start)}`);
  }
});

function iso(moment: number): string {
  return new Date(moment).toISOString();
}
