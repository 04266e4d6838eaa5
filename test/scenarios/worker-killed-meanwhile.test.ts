// A worker dies and there is no other: what waited for it waits for the next, and is told so.
import test from 'ava';
import { noOwnCluster } from '../support/cluster.ts';
import { killed, running, runningAlone } from '../support/lone-worker.ts';
import { finish, request } from '../support/requests.ts';
import { scene, sceneOfItsOwn } from '../support/scene.ts';
import { testWhen } from '../support/test-when.ts';

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
