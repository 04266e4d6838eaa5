// Somebody ends the backup session on the server (pg_terminate_backend) in every state that a request may be in.
import test from 'ava';
import { finish } from '../support/requests.ts';
import { scene } from '../support/scene.ts';
import { runningBackup, terminate, untilGone } from '../support/terminated-session.ts';

const fiveSeconds = { within: 5000 };

test('while it is running: the request has failed within five seconds, and a finish is refused', async (t) => {
  const it = await scene(t);
  await it.startWorker();
  const id = await runningBackup(it);
  t.true(await terminate(it, id));

  const row = await it.untilState(id, 'failed', fiveSeconds);
  t.is(row.error_code, 'session_lost');
  t.regex(
    String(row.error),
    /session was lost: terminating connection due to administrator command; aborting backup due to backend exiting/,
  );
  t.regex(String(row.hint), /throw away what was copied/);
  await t.throwsAsync(finish(it.client, id), { message: /cannot move from failed to done/ });
});

test('between the finish and the stop: the request fails', async (t) => {
  const it = await scene(t);
  const worker = await it.startWorker();
  const id = await runningBackup(it);
  worker.kill('SIGSTOP');
  await finish(it.client, id);
  t.true(await terminate(it, id));
  await untilGone(it, id);
  t.like(await it.status(id), { state: 'done', session: 'gone' });
  worker.kill('SIGCONT');

  const row = await it.untilState(id, 'failed', { within: 5000 });
  t.is(row.error_code, 'session_lost');
  t.is(row.backup_label, null);
});
