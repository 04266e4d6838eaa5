// Chores where the queue, or a job in it, is of another release than the worker.
import { installInto } from '../../dev/harness/install-into.ts';
import { chore, noChores, requestChore, untilChore } from '../support/chores.ts';
import { asRole } from '../support/installed-database.ts';
import { queueSchemaVersion, rollBackQueue } from '../support/queue-schema.ts';
import { scene } from '../support/scene.ts';
import { syncScene, untilRunning } from '../support/sync-scene.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noChores);

test('chores wait for a worker with the pg-boss of their queue, and a worker with another one says once what to do', async (t) => {
  const it = await scene(t);
  const operator = await asRole(t, it.db, 'operator');
  await rollBackQueue(it.admin, (await queueSchemaVersion(it.admin)) - 1);
  const worker = await it.startWorker();
  const first = await requestChore(operator, 'expire');
  const line = await worker.untilLine(/chores wait/);
  t.regex(line, /install the same release of Holdfast on every host/);
  t.regex(line, /holdfast install/);
  const second = await requestChore(operator, 'expire');
  t.like(await chore(operator, first), { state: 'requested', error: null });

  await installInto(it.db.url);
  // A notification, at which the worker opens the queue.
  const third = await requestChore(operator, 'expire');
  for (const id of [first, second, third])
    t.like(await untilChore(operator, id, 'complete'), { attempts: 1, error: null });
  t.is(worker.output().match(/chores wait/g)?.length, 1);
});

test('where the schema of the queue is missing, a chore fails and says what to run', async (t) => {
  const it = await scene(t);
  const operator = await asRole(t, it.db, 'operator');
  await it.admin.query('drop schema holdfast_boss cascade');
  await it.startWorker();
  const failed = await untilChore(operator, await requestChore(operator, 'expire'), 'failed');
  t.is(failed.error_code, 'chores_unavailable');
  t.regex(String(failed.error), /"holdfast_boss", is missing/);
});

test('a chore whose job has no heartbeats is given to another worker as well', async (t) => {
  const offsite = await syncScene(t);
  await offsite.archive(1);
  await offsite.tell('wait');
  const it = await scene(t);
  const first = await it.startWorker({ env: offsite.env });
  await untilRunning(offsite, 1);
  first.kill('SIGKILL');
  await first.exited;
  await it.admin.query('update holdfast_boss.job set heartbeat_seconds = null');
  const second = await it.startWorker({ env: offsite.env });
  await second.untilLine(/gave back a chore/);
  await offsite.untell('wait');
  t.like(await untilChore(it.admin, '1', 'complete'), { attempts: 2, error: null });
});
