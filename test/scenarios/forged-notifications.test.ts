// Any role can NOTIFY on any channel, so what a notification says is believed by nobody.
import test from 'ava';
import { untilLooked } from '../support/looks.ts';
import { asRole } from '../support/installed-database.ts';
import { finish, request } from '../support/requests.ts';
import { scene } from '../support/scene.ts';

test('forged notifications move nothing', async (t) => {
  const it = await scene(t);
  await it.startWorker();
  const id = await request(it.client, { fast: true });
  await it.untilState(id, 'running');

  const nobody = await asRole(t, it.db);
  for (const channel of ['holdfast_request', 'holdfast_state']) {
    for (const state of ['requested', 'starting', 'done', 'archiving', 'complete', 'failed', 'cancelled']) {
      await nobody.query(`select pg_notify($1, $2)`, [
        channel,
        JSON.stringify({ id: Number(id), cluster: 'main', state }),
      ]);
    }
    for (const payload of [
      '',
      '{',
      'null',
      '[]',
      '12',
      '"done"',
      '{"id": null}',
      `{"id": "${id}"}`,
      'ü'.repeat(3000),
    ]) {
      await nobody.query(`select pg_notify($1, $2)`, [channel, payload]);
    }
  }
  await untilLooked(it.admin, 1);
  t.is((await it.row(id)).state, 'running');
  t.is((await it.status(id))?.session, 'alive');

  await finish(it.client, id);
  await it.untilState(id, 'complete', { within: 5000 });
  t.deepEqual(await it.history(id), ['requested', 'starting', 'running', 'done', 'archiving', 'complete']);
});

test('a flood of forged notifications delays nobody', async (t) => {
  const it = await scene(t);
  const worker = await it.startWorker();
  const id = await request(it.client, { fast: true });
  await it.untilState(id, 'running');

  const nobody = await asRole(t, it.db);
  for (const payload of [`{"id": ${id}, "cluster": "main", "state": "done"}`, 'not even JSON']) {
    // The number makes each one different: the server drops duplicates.
    await nobody.query(
      `select pg_notify('holdfast_request', $1 || repeat(' ', n)) from generate_series(1, 5000) n`,
      [payload],
    );
  }
  const begun = performance.now();
  await finish(it.client, id);
  await it.untilState(id, 'complete', { within: 5000 });
  t.log(`complete after ${Math.round(performance.now() - begun)} ms`);
  t.true(worker.output().split('\n').length < 50, 'the log is not flooded either');
});
