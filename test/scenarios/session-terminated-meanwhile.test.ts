// Somebody ends the backup session on the server (pg_terminate_backend) while it starts, when it is over, and while nobody looks.
import test from 'ava';
import { noOwnCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { finish, request } from '../support/requests.ts';
import { scene, sceneOfItsOwn } from '../support/scene.ts';
import { dirtyPages, slowCheckpoints } from '../support/slow-checkpoints.ts';
import { runningBackup, terminate, untilGone } from '../support/terminated-session.ts';
import { testWhen } from '../support/test-when.ts';

const fiveSeconds = { within: 5000 };

testWhen(noOwnCluster)('while it starts: the request has failed within five seconds', async (t) => {
  const it = await sceneOfItsOwn(t, slowCheckpoints);
  await it.startWorker();
  await dirtyPages(it.admin);
  const id = await request(it.client, { fast: false });
  const { pid } = await it.untilState(id, 'starting');
  await eventually('the session waits for the checkpoint', () =>
    it.admin.value(`select state = 'active' from pg_stat_activity where pid = $1`, [pid]),
  );
  t.true(await terminate(it, id));
  t.is((await it.untilState(id, 'failed', fiveSeconds)).error_code, 'session_lost');
});

test('a finish that overtakes the news leaves the row failed, with a WARNING', async (t) => {
  const it = await scene(t);
  const worker = await it.startWorker();
  const id = await runningBackup(it);
  worker.kill('SIGSTOP');
  await terminate(it, id);
  await untilGone(it, id);
  t.is((await it.status(id))?.session, 'gone');
  await finish(it.client, id);
  t.like(await it.row(id), { state: 'failed', error_code: 'session_lost', backup_label: null });
  t.true(it.client.notices.some(({ severity }) => severity === 'WARNING'));

  const before = await it.row(id);
  worker.kill('SIGCONT');
  await worker.untilLine(/backup (failed|ended)/);
  t.deepEqual(await it.row(id), before);
});

testWhen(noOwnCluster)(
  'while it is archiving: it does not matter, there is no session any more',
  async (t) => {
    const it = await sceneOfItsOwn(t);
    await it.startWorker();
    const id = await runningBackup(it);
    await it.db.cluster.archiving.fail();
    await finish(it.client, id);
    const before = await it.untilState(id, 'archiving');
    await untilGone(it, id);
    t.false(await terminate(it, id));
    t.is((await it.status(id))?.session, null);

    await it.db.cluster.archiving.recover();
    t.is((await it.untilState(id, 'complete')).backup_label, before.backup_label);
  },
);

test('once the request is over, another one gets a session of its own', async (t) => {
  const it = await scene(t);
  await it.startWorker();
  const id = await runningBackup(it);
  await terminate(it, id);
  await it.untilState(id, 'failed', fiveSeconds);

  const next = await runningBackup(it);
  await finish(it.client, next);
  await it.untilState(next, 'complete');
  t.not((await it.row(next)).pid, (await it.row(id)).pid);
});
