// Whether there is a limit at all: zero, years, and the limit of all limits.
import test from 'ava';
import { untilLooked } from '../support/looks.ts';
import { finish, request } from '../support/requests.ts';
import { scene } from '../support/scene.ts';

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
