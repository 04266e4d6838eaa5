// A backup that nobody finishes fails when its time is up, so that no session is held for nobody for ever.
import test from 'ava';
import { finish, request } from '../support/requests.ts';
import { scene } from '../support/scene.ts';

test("the request's own hold_timeout beats the configured one", async (t) => {
  const it = await scene(t);
  await it.startWorker({ env: { HOLDFAST_HOLD_TIMEOUT: '1h' } });
  const id = await request(it.client, { fast: true, hold_timeout: '1.5 s' });
  await it.untilState(id, 'running');

  const row = await it.untilState(id, 'failed', { within: 6500 });
  t.is(row.error_code, 'hold_timeout');
  t.regex(String(row.error), /within its hold_timeout of 1\.5 seconds/);
  const held = await it.admin.value<number>(
    `select extract(epoch from finished_at - started_at)::float8 from holdfast.backup_request`,
  );
  t.true(held >= 1.5, `held for ${held} s`);
  await t.throwsAsync(finish(it.client, id), { message: /cannot move from failed to done/ });
});

test('a request without one gets the configured one', async (t) => {
  const it = await scene(t);
  await it.startWorker({ env: { HOLDFAST_HOLD_TIMEOUT: '1s' } });
  const id = await request(it.client, { fast: true });
  t.is((await it.untilState(id, 'failed', { within: 10_000 })).error_code, 'hold_timeout');
});
