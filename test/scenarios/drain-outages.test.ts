// A worker is told to stop while something else fails: the archiver, or the control database.
import { noOwnCluster } from '../support/cluster.ts';
import { running } from '../support/draining.ts';
import { finish } from '../support/requests.ts';
import { sceneOfItsOwn } from '../support/scene.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noOwnCluster);

test('an archiving backup is left to the next worker, which completes it', async (t) => {
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

test('a control database that is down keeps no worker from stopping', async (t) => {
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
