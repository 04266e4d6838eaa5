// A backup that nobody finishes fails when its time is up, so that no session is held for nobody for ever.
import test from 'ava';
import { untilLooked } from '../support/looks.ts';
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

test('zero means no limit, in the request and in the configuration', async (t) => {
  const it = await scene(t);
  await it.startWorker({ env: { HOLDFAST_HOLD_TIMEOUT: '1s' } });
  const own = await request(it.client, { fast: true, hold_timeout: '0' });
  await it.untilState(own, 'running');

  const configured = await scene(t);
  await configured.startWorker({ env: { HOLDFAST_HOLD_TIMEOUT: '0' } });
  const other = await request(configured.client, { fast: true });
  await configured.untilState(other, 'running');

  await untilLooked(it.admin, 2);
  for (const [where, id] of [
    [it, own],
    [configured, other],
  ] as const) {
    t.is((await where.row(id)).state, 'running');
    await finish(where.client, id);
    await where.untilState(id, 'complete');
  }
});

test('max_hold_timeout holds for everybody, zero and years included', async (t) => {
  const it = await scene(t);
  await it.startWorker({ env: { HOLDFAST_MAX_HOLD_TIMEOUT: '1s' } });
  for (const hold_timeout of ['0', '100 years']) {
    const id = await request(it.client, { fast: true, hold_timeout });
    const row = await it.untilState(id, 'failed', { within: 10_000 });
    t.is(row.error_code, 'hold_timeout');
    t.regex(String(row.error), /of 1 seconds/);
  }
});

test('a limit longer than a timer can run for is not cut short', async (t) => {
  const it = await scene(t);
  const worker = await it.startWorker();
  const id = await request(it.client, { fast: true, hold_timeout: '30 days' });
  await it.untilState(id, 'running');
  await untilLooked(it.admin, 1);
  t.is((await it.row(id)).state, 'running');
  t.notRegex(worker.output(), /TimeoutOverflowWarning/);
});
