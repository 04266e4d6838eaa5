// A worker that is told to stop (SIGTERM) holds what it holds until that ends, and takes nothing new.
import test from 'ava';
import { untilLooked } from '../support/looks.ts';
import { noOwnCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { echoIsOver } from '../support/moments.ts';
import type { WorkerProcess } from '../support/process.ts';
import { finish, request } from '../support/requests.ts';
import { scene, sceneOfItsOwn, type Scene } from '../support/scene.ts';
import { testWhen } from '../support/test-when.ts';

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

testWhen(noOwnCluster)('an archiving backup is left to the next worker, which completes it', async (t) => {
  const it = await sceneOfItsOwn(t);
  const { id, worker } = await running(it);
  await it.db.cluster.archiving.fail();
  await finish(it.client, id);
  const { backup_label } = await it.untilState(id, 'archiving');
  worker.kill('SIGTERM');
  t.is((await worker.exited).status, 0);
  t.is((await it.row(id)).state, 'archiving');

  await it.startWorker();
  await it.db.cluster.archiving.recover();
  t.is((await it.untilState(id, 'complete', { within: 10_000 })).backup_label, backup_label);
});

testWhen(noOwnCluster)('a control database that is down keeps no worker from stopping', async (t) => {
  const it = await sceneOfItsOwn(t);
  const { worker } = await running(it, { HOLDFAST_DRAIN_TIMEOUT: '6s' });
  await it.db.cluster.stop();
  await worker.untilLine(/cannot reach the control database/);
  const begun = performance.now();
  worker.kill('SIGTERM');
  await worker.exited;
  t.true(performance.now() - begun < 15_000);
  await it.db.cluster.start();
});

async function running(
  it: Scene,
  env: NodeJS.ProcessEnv = {},
): Promise<{ id: string; worker: WorkerProcess }> {
  const worker = await it.startWorker({ env });
  const id = await request(it.client, { fast: true });
  await it.untilState(id, 'running');
  return { id, worker };
}

async function draining(it: Scene, worker: WorkerProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  worker.kill(signal);
  await eventually('the worker says that it drains', () =>
    it.admin.value('select bool_or(draining) from holdfast.worker_status where alive'),
  );
}
