// A worker dies and there is no other: whoever looks or finishes finds out, without any worker's help.
import test from 'ava';
import { noOwnCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import type { WorkerProcess } from '../support/process.ts';
import { finish, request } from '../support/requests.ts';
import { scene, sceneOfItsOwn, type Scene } from '../support/scene.ts';
import { testWhen } from '../support/test-when.ts';

test('the status view says that the session of a running backup is gone', async (t) => {
  const it = await scene(t);
  const id = await runningAlone(it);
  t.is((await it.row(id)).state, 'running');
  t.like(await it.status(id), { state: 'running', session: 'gone' });
});

test('a finish by plain UPDATE leaves the row failed, with a WARNING and no label', async (t) => {
  const it = await scene(t);
  const id = await runningAlone(it);
  await finish(it.client, id);

  t.like(await it.row(id), { state: 'failed', error_code: 'session_lost', backup_label: null });
  t.true(
    it.client.notices.some(({ severity, message }) => severity === 'WARNING' && /has failed/.test(message)),
  );
});

test('stop_backup raises what happened', async (t) => {
  const it = await scene(t);
  const id = await runningAlone(it);
  const error = await t.throwsAsync(it.client.query(`call holdfast.stop_backup(id => ${id})`));
  t.regex(error.message, /has failed: the backup session was gone/);
  t.like(await it.row(id), { state: 'failed', error_code: 'session_lost', backup_label: null });
});

test('a failure that the client has found is not changed by the next worker', async (t) => {
  const it = await scene(t);
  const id = await runningAlone(it);
  await finish(it.client, id);
  const before = await it.row(id);
  await it.startWorker();
  const next = await request(it.client, { fast: true });
  await it.untilState(next, 'running');
  t.deepEqual(await it.row(id), before);
});

test('a backup finished just before its worker died is gone in the status view', async (t) => {
  const it = await scene(t);
  const { id, worker } = await running(it);
  worker.kill('SIGSTOP');
  await finish(it.client, id);
  await killed(it, worker);
  t.like(await it.status(id), { state: 'done', session: 'gone' });

  await it.startWorker();
  t.is((await it.untilState(id, 'failed', { within: 5000 })).error_code, 'worker_lost');
});

test('a request that nobody has begun waits for a worker, and says so', async (t) => {
  const it = await scene(t);
  const worker = await it.startWorker();
  worker.kill('SIGSTOP');
  const id = await request(it.client, { fast: true });
  await killed(it, worker);
  t.like(await it.status(id), {
    state: 'requested',
    session: null,
    waiting_for: 'a worker: none alive serves this cluster',
  });

  await it.startWorker();
  await it.untilState(id, 'running', { within: 5000 });
});

testWhen(noOwnCluster)(
  'an archiving backup keeps its label, says that no worker watches, and completes later',
  async (t) => {
    const it = await sceneOfItsOwn(t);
    const { id, worker } = await running(it);
    await it.db.cluster.archiving.fail();
    await finish(it.client, id);
    const before = await it.untilState(id, 'archiving');
    await killed(it, worker);

    t.truthy((await it.row(id)).backup_label);
    t.regex(String((await it.status(id))?.waiting_for), /a worker: none alive/);
    await it.db.cluster.archiving.recover();
    await it.startWorker();
    const row = await it.untilState(id, 'complete', { within: 10_000 });
    t.is(row.backup_label, before.backup_label);
  },
);

testWhen(noOwnCluster)(
  'stop_backup waits half a minute for somebody to watch the archiving, and raises',
  async (t) => {
    const it = await sceneOfItsOwn(t);
    const { id, worker } = await running(it);
    await it.db.cluster.archiving.fail();
    await finish(it.client, id);
    await it.untilState(id, 'archiving');
    await killed(it, worker);

    const error = await t.throwsAsync<Error & { code?: string }>(
      it.client.query(`call holdfast.stop_backup(id => ${id})`),
    );
    t.is(error.code, 'HF013');
    t.regex(error.message, /no worker holds backup request \d+, which is archiving/);
    t.is((await it.row(id)).state, 'archiving');
  },
);

async function running(it: Scene): Promise<{ id: string; worker: WorkerProcess }> {
  const worker = await it.startWorker();
  const id = await request(it.client, { fast: true });
  await it.untilState(id, 'running');
  return { id, worker };
}

async function runningAlone(it: Scene): Promise<string> {
  const { id, worker } = await running(it);
  await killed(it, worker);
  return id;
}

/** Resolves when the server has ended the sessions, which takes it milliseconds. */
async function killed(it: Scene, worker: WorkerProcess): Promise<void> {
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
