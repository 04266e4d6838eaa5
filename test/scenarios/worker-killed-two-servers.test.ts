// A worker dies with no time to say so, and the session that it held was on another server than the control database:
// what nobody there can see is never called alive, and the next worker finds out what became of it.
import type { ExecutionContext } from 'ava';
import { isConnected, labelFiles, type Backup } from '../support/backups.ts';
import { noOwnCluster, ownCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import type { WorkerProcess } from '../support/process.ts';
import { finish, request } from '../support/requests.ts';
import { grantBackups, scene, type Scene } from '../support/scene.ts';
import { dirtyPages, slowCheckpoints } from '../support/slow-checkpoints.ts';
import { connect, type SqlClient } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noOwnCluster);
const fiveSeconds = { within: 5000 };

interface TwoServers extends Scene {
  /** The superuser, on the server that is backed up. */
  target: SqlClient;
  startWorkerHere: (env?: NodeJS.ProcessEnv) => Promise<WorkerProcess>;
}

/** Each brings a backup of this worker's as far as that, and returns its id. */
const states = {
  async starting(it: TwoServers) {
    await dirtyPages(it.target);
    const id = await request(it.client, { fast: false });
    const { pid } = await it.untilState(id, 'starting');
    await eventually('the session waits for the checkpoint', () =>
      it.target.value(
        `select state = 'active' and query ~ 'pg_(backup_start|start_backup)' from pg_stat_activity where pid = $1`,
        [pid],
      ),
    );
    return id;
  },
  async running(it: TwoServers) {
    const id = await request(it.client, { fast: true });
    await it.untilState(id, 'running');
    return id;
  },
  async done(it: TwoServers, worker: WorkerProcess) {
    const id = await states.running(it);
    worker.kill('SIGSTOP');
    await finish(it.client, id);
    return id;
  },
};

for (const state of ['starting', 'running', 'done'] as const) {
  test(`${state}, with no worker left: orphaned at once, and failed within five seconds of the next one`, async (t) => {
    const it = await twoServers(t);
    const first = await it.startWorkerHere();
    const id = await states[state](it, first);
    await killed(first);
    await untilOrphaned(it, id);
    t.is((await it.row(id)).state, state, 'nobody has found out yet');

    await it.startWorkerHere();
    await isLost(t, it, await it.untilState(id, 'failed', fiveSeconds));
  });

  test(`${state}, with another worker alive: failed within five seconds`, async (t) => {
    const it = await twoServers(t);
    const first = await it.startWorkerHere();
    const id = await states[state](it, first);
    await it.startWorkerHere();
    await killed(first);
    await isLost(t, it, await it.untilState(id, 'failed', fiveSeconds));
  });
}

test('a finish that no worker hears is done, not lost, and fails with the next worker', async (t) => {
  const it = await twoServers(t);
  const worker = await it.startWorkerHere();
  const id = await states.running(it);
  await killed(worker);
  await untilOrphaned(it, id);
  await finish(it.client, id);
  t.like(await it.status(id), { state: 'done', session: 'orphaned' });

  await it.startWorkerHere();
  await isLost(t, it, await it.untilState(id, 'failed', fiveSeconds));
});

test('a backup whose label was on disk, and not yet in its row, is completed by the next worker', async (t) => {
  const it = await twoServers(t);
  const { id, kept, labels } = await diesBetweenStopAndWrite(t, it);
  await it.startWorkerHere({ HOLDFAST_LABELS: labels });
  const row = await it.untilState(id, 'complete', { within: 10_000 });
  t.is(row.backup_label, String(kept.get('backup_label')));
  t.regex(String(row.warnings), /backup_label was found in the label directory/);
});

test('a worker without that directory completes it as well: what is on the server makes the label again', async (t) => {
  const it = await twoServers(t);
  await it.target.query(
    'grant execute on function pg_read_binary_file(text, bigint, bigint, boolean) to agent',
  );
  const { id, kept } = await diesBetweenStopAndWrite(t, it);
  await it.startWorkerHere();
  const row = await it.untilState(id, 'complete', { within: 10_000 });
  t.is(row.backup_label, String(kept.get('backup_label')));
  t.regex(String(row.warnings), /backup_label was rebuilt from the backup history file/);
});

async function twoServers(t: ExecutionContext): Promise<TwoServers> {
  const it = await scene(t);
  const server = await ownCluster(t, slowCheckpoints);
  const target = await connect(t, server.url());
  await target.query('create role agent login');
  await grantBackups(target, 'agent', server.version);
  const config = `[cluster.main]\nurl = "${server.url({ user: 'agent' })}"\n`;
  return { ...it, target, startWorkerHere: (env = {}) => it.startWorker({ config, env }) };
}

/** The requester has his own row locked, so that the label is written into the label directory, and no further. */
async function diesBetweenStopAndWrite(t: ExecutionContext, it: TwoServers) {
  const worker = await it.startWorkerHere();
  const id = await states.done(it, worker);
  const locker = await connect(t, it.client.url);
  await locker.query('begin');
  await locker.query('select from holdfast.backup_request where id = $1 for update', [id]);
  worker.kill('SIGCONT');
  const kept = await eventually('the label in its directory', () => labelFiles(worker.labels, id));
  await killed(worker);
  await untilOrphaned(it, id);
  t.is((await it.row(id)).state, 'done');
  await locker.query('rollback');
  return { id, kept, labels: worker.labels };
}

async function killed(worker: WorkerProcess): Promise<void> {
  worker.kill('SIGKILL');
  await worker.exited;
}

/** At once: as soon as the control server has ended the dead worker's sessions, which takes it milliseconds. */
async function untilOrphaned(it: TwoServers, id: string): Promise<void> {
  await eventually(
    'the status view says "orphaned"',
    async () => {
      const session = (await it.status(id))?.session;
      if (session !== 'alive' && session !== 'orphaned') throw new Error(`it says "${session}"`);
      return session === 'orphaned';
    },
    { within: 1000 },
  );
}

/** It says so, has no label, and is no longer held where it was. */
async function isLost(t: ExecutionContext, it: TwoServers, row: Backup): Promise<void> {
  t.like(row, { error_code: 'worker_lost', backup_label: null });
  t.is(await it.status(row.id), undefined);
  await eventually(
    'the session is no longer on the server',
    async () => !(await isConnected(it.target, row.pid)),
    fiveSeconds,
  );
}
