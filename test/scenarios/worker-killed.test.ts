// A worker dies with no time to say so (SIGKILL) while another one is alive, in every state that a request may be in.
// What happens during a spread checkpoint is told in worker-killed-in-checkpoint.test.ts.
import test, { type ExecutionContext } from 'ava';
import { noOwnCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import type { WorkerProcess } from '../support/process.ts';
import { finish, request } from '../support/requests.ts';
import { scene, sceneOfItsOwn, type Scene } from '../support/scene.ts';
import { testWhen } from '../support/test-when.ts';

const fiveSeconds = { within: 5000 };

test('a request that nobody has begun is taken by the other worker', async (t) => {
  const it = await scene(t);
  const first = await it.startWorker();
  first.kill('SIGSTOP');
  const id = await request(it.client, { fast: true });
  await killed(first);
  await it.startWorker();

  await it.untilState(id, 'running', fiveSeconds);
  await finish(it.client, id);
  await it.untilState(id, 'complete', fiveSeconds);
  t.deepEqual(await it.history(id), ['requested', 'starting', 'running', 'done', 'archiving', 'complete']);
});

test('a running backup is seen to be lost at once, and has failed within five seconds', async (t) => {
  const it = await scene(t);
  const { id, first } = await runningBackup(it);
  await it.startWorker();
  await killed(first);

  await untilNotAlive(t, it, id);
  const row = await it.untilState(id, 'failed', fiveSeconds);
  t.is(row.error_code, 'worker_lost');
  t.is(row.backup_label, null);

  await t.throwsAsync(finish(it.client, id), { message: /cannot move from failed to done/ });
  t.is((await it.row(id)).state, 'failed');
});

test('a backup that was to be stopped, and was not, has failed within five seconds', async (t) => {
  const it = await scene(t);
  const { id, first } = await runningBackup(it);
  await it.startWorker();
  first.kill('SIGSTOP');
  await finish(it.client, id);
  await killed(first);

  await untilNotAlive(t, it, id);
  const row = await it.untilState(id, 'failed', fiveSeconds);
  t.is(row.error_code, 'worker_lost');
  t.is(row.backup_label, null);
});

testWhen(noOwnCluster)('an archiving backup is watched on by the other worker, and completes', async (t) => {
  const it = await sceneOfItsOwn(t);
  const { id, first } = await runningBackup(it);
  await it.db.cluster.archiving.fail();
  await finish(it.client, id);
  const before = await it.untilState(id, 'archiving');
  const second = await it.startWorker();
  await killed(first);

  await second.untilLine(/took over a request/);
  t.is((await it.row(id)).state, 'archiving');
  await it.db.cluster.archiving.recover();
  const row = await it.untilState(id, 'complete', fiveSeconds);
  t.is(row.backup_label, before.backup_label);
  t.not(row.worker, before.worker);
});

test('a worker started again under the same name ends what its predecessor held, within five seconds', async (t) => {
  const it = await scene(t);
  const env = { HOLDFAST_NAME: 'phoenix' };
  const { id, first } = await runningBackup(it, env);
  await killed(first);
  await it.startWorker({ env });

  const row = await it.untilState(id, 'failed', fiveSeconds);
  t.is(row.error_code, 'worker_lost');
  t.is(row.worker, 'phoenix');

  const next = await request(it.client, { fast: true });
  await it.untilState(next, 'running', fiveSeconds);
});

test('what is over stays as it was', async (t) => {
  const it = await scene(t);
  const { id, first } = await runningBackup(it);
  await finish(it.client, id);
  const before = await it.untilState(id, 'complete');
  const cancelled = await request(it.client, { fast: true });
  await it.untilState(cancelled, 'running');
  await it.client.query(`update holdfast.backup_request set state = 'cancelled' where id = $1`, [cancelled]);
  await killed(first);

  const second = await it.startWorker();
  const next = await request(it.client, { fast: true });
  await it.untilState(next, 'running');
  await second.untilLine(/backup running/);
  t.deepEqual(await it.row(id), before);
  t.is((await it.row(cancelled)).state, 'cancelled');
});

async function runningBackup(
  it: Scene,
  env: NodeJS.ProcessEnv = {},
): Promise<{ id: string; first: WorkerProcess }> {
  const first = await it.startWorker({ env });
  const id = await request(it.client, { fast: true });
  await it.untilState(id, 'running');
  return { id, first };
}

async function killed(worker: WorkerProcess): Promise<void> {
  worker.kill('SIGKILL');
  await worker.exited;
}

/** At once: as soon as the server has ended the dead worker's sessions, which takes it milliseconds. */
async function untilNotAlive(t: ExecutionContext, it: Scene, id: string): Promise<void> {
  const session = await eventually(
    'the status view does not say "alive"',
    async () => {
      const status = await it.status(id);
      const seen = status?.session ?? 'over';
      return seen === 'alive' ? undefined : seen;
    },
    { within: 1000 },
  );
  t.true(['orphaned', 'gone', 'over'].includes(session), session);
}
