// A worker dies and there is no other: whoever looks or finishes finds out, without any worker's help.
import test from 'ava';
import { killed, running, runningAlone } from '../support/lone-worker.ts';
import { finish } from '../support/requests.ts';
import { scene } from '../support/scene.ts';

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
