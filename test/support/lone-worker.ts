// A worker that holds a backup, and dies without another one.
import { eventually } from './eventually.ts';
import type { WorkerProcess } from './process.ts';
import { request } from './requests.ts';
import type { Scene } from './scene.ts';

export async function running(it: Scene): Promise<{ id: string; worker: WorkerProcess }> {
  const worker = await it.startWorker();
  const id = await request(it.client, { fast: true });
  await it.untilState(id, 'running');
  return { id, worker };
}

/** The id of a backup whose worker has died. */
export async function runningAlone(it: Scene): Promise<string> {
  const { id, worker } = await running(it);
  await killed(it, worker);
  return id;
}

/** Kills a worker, and resolves when the server has ended the sessions, which takes it milliseconds. */
export async function killed(it: Scene, worker: WorkerProcess): Promise<void> {
  worker.kill('SIGKILL');
  await worker.exited;
  await eventually(
    'the server has ended the sessions of the dead worker',
    () =>
      it.admin.value(
        `select not exists (select from pg_stat_activity where usename = $1 and application_name <> 'holdfast-test')`,
        [it.workerLogin.role],
      ),
    { within: 1000 },
  );
}
