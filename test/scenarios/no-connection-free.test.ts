// Where a server has no connection free, requests wait, as they do for a session of the worker.
import test from 'ava';
import { eventually } from '../support/eventually.ts';
import { asRole } from '../support/installed-database.ts';
import { cancel, finish, request } from '../support/requests.ts';
import { grantBackups, scene, type Scene } from '../support/scene.ts';

test('requests wait for a free connection in their order and say so, can be cancelled, and outlive a worker that stops', async (t) => {
  const it = await scene(t);
  // Three connections: the worker's monitor session, a backup session, and this one.
  const somebody = await asRole(t, it.db, 'worker');
  await grantBackups(it.admin, somebody.role, it.db.cluster.version);
  await it.admin.query(`alter role ${somebody.role} connection limit 3`);
  const worker = await it.startWorker({ config: `[cluster.main]\nurl = "${somebody.url}"\n` });
  const start = () => request(it.client, { fast: true });
  const held = await start();
  await it.untilState(held, 'running');

  const full = `a free connection to its server: too many connections for role "${somebody.role}"`;
  const first = await start();
  await untilItWaitsFor(it, first, full);
  const [second, third] = [await start(), await start()];
  await untilItWaitsFor(it, second, 'a free connection to its server, after other requests');
  await untilItWaitsFor(it, third, 'a free connection to its server, after other requests');
  await eventually('the first waits for longer than a server that is away is asked', async () => {
    const { state, stage, age } = await waiting(it, first);
    t.deepEqual([state, stage], ['requested', 'connect']);
    return age > 7;
  });
  await cancel(it.client, first);
  await untilItWaitsFor(it, second, full);

  await somebody.close();
  await it.untilState(second, 'running');
  t.is((await waiting(it, third)).state, 'requested');
  await finish(it.client, second);
  await it.untilState(second, 'complete');
  await it.untilState(third, 'running');
  t.deepEqual(await stages(it, first), ['connect cancelled']);
  t.deepEqual(await stages(it, second), [
    'connect done',
    'checkpoint done',
    'copy done',
    'stop done',
    'archive done',
  ]);

  const left = await start();
  await untilItWaitsFor(it, left, full);
  worker.kill('SIGTERM');
  await eventually('the worker waits no longer', async () => (await waiting(it, left)).stage === null);
  await untilItWaitsFor(it, left, 'a worker: none alive serves this cluster');
  for (const id of [held, third]) await finish(it.client, id);
  t.is((await worker.exited).status, 0);
  t.is((await waiting(it, left)).state, 'requested');
});

/** `age`: in seconds, of its stage. */
async function waiting(it: Scene, id: string) {
  const [row] = await it.admin.query<{ state: string; stage: string | null; age: number; for: string }>(
    `select state, stage, extract(epoch from stage_age)::float8 as age, waiting_for as for
     from holdfast.backup_status where id = $1`,
    [id],
  );
  if (row === undefined) throw new Error(`backup request ${id} is over: ${JSON.stringify(await it.row(id))}`);
  return row;
}

function untilItWaitsFor(it: Scene, id: string, what: string): Promise<true> {
  return eventually(`request ${id} waits for ${what}`, async () => (await waiting(it, id)).for === what);
}

async function stages(it: Scene, id: string): Promise<string[]> {
  const rows = await it.admin.query<{ stage: string; state: string }>(
    'select stage, state from holdfast.backup_stage where request_id = $1 order by began_at',
    [id],
  );
  return rows.map(({ stage, state }) => `${stage} ${state}`);
}
