// A worker dies while pg_backup_start waits for a spread checkpoint. Its session is busy then: up to PostgreSQL 13,
// which has no client_connection_check_interval, the server would notice only when the checkpoint is over.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { readAllBackups } from '../../src/repository/catalog.ts';
import { noOwnCluster } from '../support/cluster.ts';
import { copyScene, noCopies } from '../support/copies.ts';
import { eventually } from '../support/eventually.ts';
import type { WorkerProcess } from '../support/process.ts';
import { cancel, finish, request } from '../support/requests.ts';
import { sceneOfItsOwn, type Scene } from '../support/scene.ts';
import { dirtyPages, slowCheckpoints } from '../support/slow-checkpoints.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noOwnCluster);
const copyTest = testWhen(noCopies);
const fiveSeconds = { within: 5000 };

test('with another worker alive, the session is ended and the request has failed within five seconds', async (t) => {
  const it = await sceneOfItsOwn(t, slowCheckpoints);
  const { id, worker } = await startingBackup(t, it);
  await it.startWorker();
  await killed(worker);

  await untilNotAlive(it, id);
  const row = await it.untilState(id, 'failed', fiveSeconds);
  t.is(row.error_code, 'worker_lost');
  await eventually(
    'the session is no longer on the server',
    async () => !(await isThere(it, row.pid)),
    fiveSeconds,
  );
});

test('with none alive, the status view tells at once, and the next worker fails it within five seconds', async (t) => {
  const it = await sceneOfItsOwn(t, slowCheckpoints);
  const { id, worker } = await startingBackup(t, it);
  await killed(worker);

  const session = await untilNotAlive(it, id);
  if (it.db.cluster.version < 14) t.is(session, 'orphaned', 'the server has not noticed, and cannot');
  await t.throwsAsync(finish(it.client, id), { message: /cannot move from starting to done/ });
  t.is((await it.row(id)).state, 'starting');

  await it.startWorker();
  const row = await it.untilState(id, 'failed', fiveSeconds);
  t.is(row.error_code, 'worker_lost');
  await eventually(
    'the session is no longer on the server',
    async () => !(await isThere(it, row.pid)),
    fiveSeconds,
  );
});

test('a request whose worker died can still be cancelled, and stays cancelled', async (t) => {
  const it = await sceneOfItsOwn(t, slowCheckpoints);
  const { id, worker } = await startingBackup(t, it);
  await killed(worker);
  await cancel(it.client, id);

  const second = await it.startWorker();
  const next = await request(it.client, { fast: true });
  await it.untilState(next, 'running');
  await second.untilLine(/backup running/);
  t.is((await it.row(id)).state, 'cancelled');
});

copyTest(
  'of a copy nothing is listed, nor left in the repository once the next worker is there',
  async (t) => {
    const it = await copyScene(t, slowCheckpoints);
    const { id, worker } = await startingBackup(t, it, { method: 'copy', by: await it.startCopier() });
    await killed(worker);
    await untilNotAlive(it, id);
    t.is((await it.row(id)).state, 'starting');
    t.deepEqual(await readAllBackups(join(it.repository, 'main')), []);

    await it.startCopier();
    const row = await it.untilState(id, 'failed', fiveSeconds);
    t.is(row.error_code, 'worker_lost');
    await eventually('the session is gone', async () => !(await isThere(it, row.pid)), fiveSeconds);
    await eventually('nothing is left', async () => (await it.names()).length === 0);
    // The next worker notes the time, sooner or later; the directory of all backups is of no copy.
    const left = (await readdir(it.repository, { recursive: true })).filter(
      (name) => name !== 'main/backups' && !name.endsWith('clock.json'),
    );
    t.deepEqual(left.sort(), ['main', 'main/cluster.json', 'main/owner.json', 'main/owner.lock']);
    const next = await it.copy();
    t.deepEqual(
      (await readAllBackups(join(it.repository, 'main'))).map(({ description }) => String(description.id)),
      [next.row.id],
    );
  },
);

async function startingBackup(
  t: ExecutionContext,
  it: Scene,
  { method = 'hold', by }: { method?: string; by?: WorkerProcess } = {},
): Promise<{ id: string; worker: WorkerProcess }> {
  const worker = by ?? (await it.startWorker());
  await dirtyPages(it.admin);
  const id = await request(it.client, { fast: false, method });
  const { pid } = await it.untilState(id, 'starting');
  await eventually('the session waits for the checkpoint', () =>
    it.admin.value(
      `select state = 'active' and query ~ 'pg_(backup_start|start_backup)' from pg_stat_activity where pid = $1`,
      [pid],
    ),
  );
  t.is((await it.row(id)).state, 'starting');
  return { id, worker };
}

async function killed(worker: WorkerProcess): Promise<void> {
  worker.kill('SIGKILL');
  await worker.exited;
}

/** At once: as soon as the server has ended the dead worker's idle sessions, which takes it milliseconds. */
function untilNotAlive(it: Scene, id: string): Promise<string> {
  return eventually(
    'the status view does not say "alive"',
    async () => {
      const session = (await it.status(id))?.session ?? 'over';
      return session === 'alive' ? undefined : session;
    },
    { within: 1000 },
  );
}

function isThere(it: Scene, pid: number | null): Promise<boolean> {
  return it.admin.value('select exists (select from pg_stat_activity where pid = $1)', [pid]);
}
