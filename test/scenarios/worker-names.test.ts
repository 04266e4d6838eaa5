// Every worker has a name of its own, which is how people tell them apart.
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import test from 'ava';
import { eventually } from '../support/eventually.ts';
import { holdfast } from '../support/process.ts';
import { finish, request } from '../support/requests.ts';
import { scene } from '../support/scene.ts';

const noName = { HOLDFAST_NAME: '' };

test('a second worker with a configured name that is taken refuses to start, and harms nothing', async (t) => {
  const it = await scene(t);
  const env = { HOLDFAST_NAME: 'db7' };
  await it.startWorker({ env });
  const id = await request(it.client, { fast: true });
  await it.untilState(id, 'running');

  const { status, stderr } = await holdfast(['worker'], { url: it.workerLogin.url, env });
  t.is(status, 2);
  t.regex(stderr, /a worker named "db7" is alive already/);
  t.regex(stderr, /HOLDFAST_NAME/);

  t.is((await it.status(id))?.session, 'alive');
  await finish(it.client, id);
  await it.untilState(id, 'complete');
});

test('two workers on one host with no configured name get two', async (t) => {
  const it = await scene(t);
  await it.startWorker({ env: noName });
  const second = await it.startWorker({ env: noName });
  const names = () =>
    it.admin
      .query<{ name: string }>('select name from holdfast.worker_status where alive order by name')
      .then((rows) => rows.map(({ name }) => name));
  t.deepEqual(await names(), [hostname(), `${hostname()}-2`]);

  second.kill('SIGKILL');
  await eventually('the second is not alive', async () => (await names()).length === 1);
  await it.startWorker({ env: noName });
  t.deepEqual(await names(), [hostname(), `${hostname()}-2`]);
});

test('a worker that registers at the same moment as another one of that name takes it from nobody', async (t) => {
  const it = await scene(t);
  await it.admin.query('begin');
  await it.admin.query('select pg_advisory_lock(42)');
  await it.admin.query(
    `insert into holdfast.worker (name, instance, clusters, version, host, host_pid, pid, lock_key)
     values ($1, $2, '{main}', '0.0.0', 'stage', 1, pg_backend_pid(), 42)`,
    [hostname(), randomUUID()],
  );
  const starting = it.startWorker({ env: noName });
  await eventually('it waits for what becomes of that name', () =>
    it.client.value(`select exists (
      select from pg_locks l join pg_database d on d.datname = current_database()
      where not granted and locktype = 'transactionid' and pid in (select pid from pg_locks where database = d.oid))`),
  );
  await it.admin.query('commit');

  await starting;
  t.deepEqual(await it.admin.query('select name, host, alive from holdfast.worker_status order by name'), [
    { name: hostname(), host: 'stage', alive: true },
    { name: `${hostname()}-2`, host: hostname(), alive: true },
  ]);
});
