// A worker works with the schema of its own release only, and an upgrade ends it in good order.
import test from 'ava';
import { schemaVersion } from '../../src/control/schema-version.ts';
import { untilLooked } from '../support/looks.ts';
import { holdfast } from '../support/process.ts';
import { finish, request } from '../support/requests.ts';
import { scene, type Scene } from '../support/scene.ts';

const current = schemaVersion();

test('a worker older than the schema refuses to start, and says what to upgrade', async (t) => {
  const it = await scene(t);
  await upgrade(it);
  const { status, stderr } = await holdfast(['worker'], { url: it.workerLogin.url });
  t.is(status, 2);
  t.regex(
    stderr,
    new RegExp(`schema "holdfast" has version ${current + 1}, newer than this release's ${current}`),
  );
  t.regex(stderr, /upgrade Holdfast on this host/i);
  t.is(await it.admin.value('select count(*) from holdfast.worker'), '0');
});

test('a worker newer than the schema refuses to start, and says how to upgrade it', async (t) => {
  const it = await scene(t);
  await it.admin.query('delete from holdfast.migration where number = $1', [current]);
  const { status, stderr } = await holdfast(['worker'], { url: it.workerLogin.url });
  t.is(status, 2);
  t.regex(stderr, new RegExp(`has version ${current - 1}, older than this release's ${current}`));
  t.regex(stderr, /holdfast install/);
});

test('a worker without a schema refuses to start', async (t) => {
  const it = await scene(t);
  const { status, stderr } = await holdfast(['worker'], {
    url: it.workerLogin.url,
    env: { HOLDFAST_SCHEMA: 'elsewhere' },
  });
  t.is(status, 2);
  t.regex(stderr, /not installed in schema "elsewhere"/);
});

test('a schema upgraded under a running worker drains it: it says so, takes nothing new, and exits with 2', async (t) => {
  const it = await scene(t);
  const worker = await it.startWorker();
  const id = await request(it.client, { fast: true });
  await it.untilState(id, 'running');
  await upgrade(it);
  await worker.untilLine(new RegExp(`the schema has version ${current + 1} by now`));
  await worker.untilLine(/draining/);

  const next = await request(it.client, { fast: true });
  await finish(it.client, id);
  await it.untilState(id, 'complete', { within: 5000 });
  const { status } = await worker.exited;
  t.is(status, 2);
  t.is((await it.row(next)).state, 'requested');
});

test('the first SIGTERM after that is no second one: what is held is held on', async (t) => {
  const it = await scene(t);
  const worker = await it.startWorker();
  const id = await request(it.client, { fast: true });
  await it.untilState(id, 'running');
  await upgrade(it);
  await worker.untilLine(/draining/);
  worker.kill('SIGTERM');
  await untilLooked(it.admin, 1);
  t.like(await it.status(id), { state: 'running', session: 'alive' });

  worker.kill('SIGTERM');
  t.is((await worker.exited).status, 2);
  t.is((await it.row(id)).error_code, 'worker_stopped');
});

function upgrade(it: Scene): Promise<unknown> {
  return it.admin.query(`insert into holdfast.migration (number, name) values ($1, 'of the next release')`, [
    current + 1,
  ]);
}
