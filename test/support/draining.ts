// A worker that holds a backup, and is told to stop.
import { eventually } from './eventually.ts';
import type { WorkerProcess } from './process.ts';
import { request } from './requests.ts';
import type { Scene } from './scene.ts';

/** `env`: of the worker. */
export async function running(
  it: Scene,
  env: NodeJS.ProcessEnv = {},
): Promise<{ id: string; worker: WorkerProcess }> {
  const worker = await it.startWorker({ env });
  const id = await request(it.client, { fast: true });
  await it.untilState(id, 'running');
  return { id, worker };
}

/** Resolves once the worker says that it drains. */
export async function draining(
  it: Scene,
  worker: WorkerProcess,
  signal: NodeJS.Signals = 'SIGTERM',
): Promise<void> {
  worker.kill(signal);
  await eventually('the worker says that it drains', () =>
    it.admin.value('select bool_or(draining) from holdfast.worker_status where alive'),
  );
}
