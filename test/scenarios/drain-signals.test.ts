// A worker is told to stop more than once.
import test from 'ava';
import { draining, running } from '../support/draining.ts';
import { echoIsOver } from '../support/moments.ts';
import { finish } from '../support/requests.ts';
import { scene } from '../support/scene.ts';

for (const [first, second] of [
  ['SIGTERM', 'SIGTERM'],
  ['SIGTERM', 'SIGINT'],
  ['SIGINT', 'SIGINT'],
] as const) {
  test(`${second} after ${first} fails what is held as worker_stopped, at once`, async (t) => {
    const it = await scene(t);
    const { id, worker } = await running(it);
    await draining(it, worker, first);
    await echoIsOver();
    worker.kill(second);
    t.is((await worker.exited).status, 0);
    t.like(await it.row(id), { state: 'failed', error_code: 'worker_stopped' });
  });
}

test('a signal that a launcher passes on to a worker that has it already is one signal', async (t) => {
  const it = await scene(t);
  const { id, worker } = await running(it);
  worker.kill('SIGTERM');
  await draining(it, worker);
  await finish(it.client, id);
  t.is((await worker.exited).status, 0);
  t.not((await it.row(id)).backup_label, null);
});
