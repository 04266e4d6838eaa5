// How often a periodic task runs for whoever asks for runs all the time.
import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import { createLog } from '../../src/log.ts';
import { PeriodicTask } from '../../src/worker/periodic-task.ts';

test('runs that are asked for all the time come one each 100 ms, and the first of them at once', async (t) => {
  const runs: number[] = [];
  const work = () => {
    runs.push(performance.now());
    return Promise.resolve();
  };
  const task = new PeriodicTask(3_600_000, work, createLog());
  const began = performance.now();
  task.start();
  while (performance.now() < began + 150) await turn();
  t.is(runs.length, 1);
  task.now();
  await turn();
  await turn();
  t.is(runs.length, 2, 'nothing ran for a while: at once');
  while (runs.length < 5) {
    task.now();
    await turn();
  }
  await task.stop();
  for (const [n, at] of runs.entries()) if (n > 0) t.true(at - Number(runs[n - 1]) >= 95, runs.join(' '));
});
