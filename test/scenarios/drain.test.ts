// A worker that is told to stop (SIGTERM) holds what it holds until that ends, and takes nothing new.
import test from 'ava';
import { draining, running } from '../support/draining.ts';
import { finish } from '../support/requests.ts';
import { scene } from '../support/scene.ts';

test('what it holds it holds until the client finishes, and then it exits with 0', async (t) => {
  const it = await scene(t);
  const { id, worker } = await running(it);
  await draining(it, worker);
  t.is((await it.row(id)).state, 'running');
  t.is((await it.status(id))?.session, 'alive');

  await finish(it.client, id);
  await it.untilState(id, 'complete', { within: 5000 });
  t.is((await worker.exited).status, 0);
});

test('shortly before drain_timeout is over, what is still held fails as worker_stopped', async (t) => {
  const it = await scene(t);
  const { id, worker } = await running(it, { HOLDFAST_DRAIN_TIMEOUT: '6s' });
  const begun = performance.now();
  worker.kill('SIGTERM');
  const { status } = await worker.exited;
  t.true(performance.now() - begun < 6500);
  t.is(status, 0);
  t.like(await it.row(id), { state: 'failed', error_code: 'worker_stopped', backup_label: null });
});
