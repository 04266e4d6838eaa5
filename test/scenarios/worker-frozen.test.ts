// A worker's process is stopped (SIGSTOP), as by a host that swaps or a debugger: it holds its sessions still, so
// nothing is lost and nothing is claimed to be; and it goes on where it was.
import test from 'ava';
import { untilLooked } from '../support/looks.ts';
import { cancel, finish, request } from '../support/requests.ts';
import { scene, type Scene } from '../support/scene.ts';
import type { WorkerProcess } from '../support/process.ts';

test('a frozen worker loses nothing and ends no backup, and another worker leaves it alone', async (t) => {
  const it = await scene(t);
  const { id, worker } = await running(it);
  await it.startWorker();
  worker.kill('SIGSTOP');
  await untilLooked(it.admin, 3);
  t.like(await it.status(id), { state: 'running', session: 'alive' });

  await finish(it.client, id);
  await untilLooked(it.admin, 2);
  t.like(await it.status(id), { state: 'done', session: 'alive', waiting_for: 'pg_backup_stop' });
  t.is((await it.row(id)).backup_label, null);

  worker.kill('SIGCONT');
  await it.untilState(id, 'complete', { within: 5000 });
});

test('stop_backup waits no longer for a frozen worker than its timeout, and returns no label', async (t) => {
  const it = await scene(t);
  const { id, worker } = await running(it);
  worker.kill('SIGSTOP');
  const error = await t.throwsAsync(
    it.client.query(`call holdfast.stop_backup(id => ${id}, timeout => '1 s')`),
  );
  t.regex(error.message, /timed out/);
  worker.kill('SIGCONT');
  await it.untilState(id, 'complete', { within: 5000 });
});

test('what is requested meanwhile is taken by another worker', async (t) => {
  const it = await scene(t);
  const { worker } = await running(it);
  await it.startWorker();
  worker.kill('SIGSTOP');
  const next = await request(it.client, { fast: true });
  await it.untilState(next, 'running', { within: 5000 });
  t.pass();
});

test('what is cancelled meanwhile stays cancelled, and its session is let go afterwards', async (t) => {
  const it = await scene(t);
  const { id, worker } = await running(it);
  worker.kill('SIGSTOP');
  await cancel(it.client, id);
  worker.kill('SIGCONT');
  await worker.untilLine(/backup ended by the client/);
  t.is((await it.row(id)).state, 'cancelled');
});

async function running(it: Scene): Promise<{ id: string; worker: WorkerProcess }> {
  const worker = await it.startWorker();
  const id = await request(it.client, { fast: true });
  await it.untilState(id, 'running');
  return { id, worker };
}
