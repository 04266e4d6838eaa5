// A worker that is told to stop takes nothing new, and has nothing to wait for.
import test from 'ava';
import { draining, running } from '../support/draining.ts';
import { untilLooked } from '../support/looks.ts';
import { finish, request } from '../support/requests.ts';
import { scene } from '../support/scene.ts';

test('it takes nothing new: that waits, until another worker takes it', async (t) => {
  const it = await scene(t);
  const { id, worker } = await running(it);
  await draining(it, worker);

  const next = await request(it.client, { fast: true });
  t.regex(String(it.client.notices.at(-1)?.message), /no live worker serves cluster "main"/);
  await untilLooked(it.admin, 2);
  t.like(await it.status(next), {
    state: 'requested',
    waiting_for: 'a worker: none alive serves this cluster',
  });

  const second = await it.startWorker();
  const taken = await it.untilState(next, 'running', { within: 5000 });
  t.not(taken.worker, (await it.row(id)).worker);
  second.kill('SIGKILL');
  await finish(it.client, id);
  t.is((await worker.exited).status, 0);
});

test('with nothing to hold it exits at once', async (t) => {
  const it = await scene(t);
  const worker = await it.startWorker();
  const begun = performance.now();
  worker.kill('SIGTERM');
  t.is((await worker.exited).status, 0);
  t.true(performance.now() - begun < 5000);
  t.is(await it.admin.value('select count(*) from holdfast.worker_status where alive'), '0');
});
