// Off-site sync by workers: asked for as a chore, tried again for ever, one at a time, and without the database.
import type { ExecutionContext } from 'ava';
import { noOwnCluster, ownCluster } from '../support/cluster.ts';
import { eventually, eventuallyRow } from '../support/eventually.ts';
import { asRole } from '../support/installed-database.ts';
import { holdfast } from '../support/process.ts';
import { noChores } from '../support/chores.ts';
import { scene, type Scene } from '../support/scene.ts';
import { connect } from '../support/sql-client.ts';
import { syncScene, untilRunning, type SyncScene } from '../support/sync-scene.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noChores);
const ownTest = testWhen(noChores, noOwnCluster);

interface Both extends Scene {
  offsite: SyncScene;
}

async function both(t: ExecutionContext, cluster?: Parameters<typeof scene>[1]): Promise<Both> {
  const offsite = await syncScene(t);
  await offsite.archive(1);
  return { ...(await scene(t, cluster)), offsite };
}

const untilChore = (it: Scene, condition: string) =>
  eventuallyRow(it.admin, `select * from holdfast.backup_chore where ${condition} order by id desc`, [], {
    within: 60_000,
  });

test('a worker has WAL sent as soon as it has reached the repository, and the chore says so', async (t) => {
  const it = await both(t);
  await it.startWorker({ env: it.offsite.env });
  const first = await untilChore(it, `state = 'complete'`);
  t.like(first, { kind: 'sync', automatic: true, attempts: 1, requested_by: it.workerLogin.role });
  t.like(first['result'], { backup: null, runs: 1 });
  await it.offsite.archive(2);
  await eventually('it is sent', async () => (await it.offsite.remote()).length === 3);
  await untilChore(it, `state = 'complete' and id > ${String(first['id'])}`);
  t.is(await it.admin.value('select count(*)::int from holdfast_boss.job'), 0);
});

test('a sync that fails is tried again until it succeeds, with the same times', async (t) => {
  const it = await both(t);
  await it.offsite.tell('fail');
  await it.startWorker({ env: it.offsite.env });
  const failing = await untilChore(it, `state = 'retrying' and attempts >= 2`);
  t.like(failing, { error_code: 'sync_failed', finished_at: null });
  t.regex(String(failing['error']), /ended with 7: the other side is away/);
  t.true((failing['next_attempt_at'] as Date) > (failing['started_at'] as Date));
  const { stdout } = await holdfast(['check'], { url: it.db.url });
  t.regex(
    stdout,
    /^warning +cluster main, chore \d+ \(sync\): has failed \d+ times in .* the other side is away$/m,
  );
  t.regex(
    (await holdfast(['status'], { url: it.db.url })).stdout,
    /Chores\n.*\n +\d+ +main +sync +(retrying|running)/,
  );
  await it.offsite.untell('fail');
  const done = await untilChore(it, `state = 'complete'`);
  t.like(done, { id: failing['id'], error: null, next_attempt_at: null });
  const runs = await it.offsite.runs();
  t.is(new Set(runs.map(({ present }) => present)).size, 1);
});

test('a sync that is asked for with force runs though nothing is unsent', async (t) => {
  const it = await both(t);
  await it.startWorker({ env: it.offsite.env });
  await untilChore(it, `state = 'complete'`);
  const operator = await asRole(t, it.db, 'operator');
  const insert = `insert into holdfast.backup_chore (kind, options) values ('sync', $1) returning id`;
  const idle = await operator.value(insert, [{}]);
  const forced = await operator.value(insert, [{ force: true }]);
  t.like((await untilChore(it, `id = ${String(idle)} and state = 'complete'`))['result'], { runs: 0 });
  t.like((await untilChore(it, `id = ${String(forced)} and state = 'complete'`))['result'], { runs: 1 });
  t.is((await it.offsite.runs()).length, 2);
});

test('three workers run one sync at a time, and each one that was asked for', async (t) => {
  const it = await both(t);
  const operator = await asRole(t, it.db, 'operator');
  for (let n = 0; n < 5; n += 1)
    await operator.query(
      `insert into holdfast.backup_chore (kind, options) values ('sync', '{"force": true}')`,
    );
  await Promise.all([1, 2, 3].map(() => it.startWorker({ env: it.offsite.env })));
  await eventually(
    'all are complete',
    () =>
      it.admin.value(
        `select count(*) = 5 from holdfast.backup_chore where state = 'complete' and not automatic`,
      ),
    { within: 60_000 },
  );
  const atOnce = await it.admin.query(
    `select a.id, a.started_at, a.finished_at, b.id as other, b.started_at as other_started_at
     from holdfast.backup_chore a join holdfast.backup_chore b
       on b.id <> a.id and b.started_at >= a.started_at and b.started_at < coalesce(a.finished_at, 'infinity')`,
  );
  t.deepEqual(atOnce, []);
  t.is(await it.admin.value(`select max(attempts) from holdfast.backup_chore`), 1);
});

test('when its worker is killed, another one takes the sync over', async (t) => {
  const it = await both(t);
  await it.offsite.tell('wait');
  const first = await it.startWorker({ env: it.offsite.env });
  await untilRunning(it.offsite, 1);
  first.kill('SIGKILL');
  await first.exited;
  await it.startWorker({ env: it.offsite.env });
  await untilChore(it, `state = 'running' and attempts = 2`);
  t.is((await it.offsite.runs()).length, 1, 'the first program still runs');
  await it.offsite.untell('wait');
  t.like(await untilChore(it, `state = 'complete'`), { attempts: 2, error: null });
  const [one, two] = await it.offsite.runs();
  t.deepEqual(two, one);
});

test('a program that hangs is seen by check; a worker that is stopped ends it, and the next one begins again at once', async (t) => {
  const it = await both(t);
  await it.offsite.tell('wait');
  const worker = await it.startWorker({ env: it.offsite.env });
  await untilRunning(it.offsite, 1);
  await it.admin.query(
    `set session_replication_role = replica;
     update holdfast.backup_chore set started_at = now() - interval '2 days';
     reset session_replication_role`,
  );
  const { stdout } = await holdfast(['check'], { url: it.db.url });
  t.regex(stdout, /critical cluster main, chore 1 \(sync\): running for 2 d.*see whether its program hangs/);
  worker.kill('SIGTERM');
  t.is((await worker.exited).status, 0);
  t.like(await untilChore(it, `state = 'retrying'`), { attempts: 0, error_code: 'worker_stopped' });
  await it.offsite.untell('wait');
  await it.startWorker({ env: it.offsite.env });
  t.like(await untilChore(it, `state = 'complete'`), { attempts: 1 });
});

test('a sync of a cluster without a sync_command fails at once, and says what is missing', async (t) => {
  const it = await scene(t);
  await it.startWorker();
  const operator = await asRole(t, it.db, 'operator');
  await operator.query(`insert into holdfast.backup_chore (kind) values ('sync')`);
  t.like(await untilChore(it, `state = 'failed'`), { error_code: 'no_sync_command', attempts: 1 });
});

ownTest('while the database is down, what was begun goes on and what is new is sent', async (t) => {
  const cluster = await ownCluster(t, { installed: true });
  const it = await both(t, cluster);
  await it.offsite.tell('wait');
  await it.startWorker({ env: it.offsite.env });
  await untilRunning(it.offsite, 1);
  await cluster.stop();
  await it.offsite.untell('wait');
  await eventually('the first run has ended', async () => (await it.offsite.runs())[0]?.ended === true);
  await it.offsite.archive(2);
  const waited = await holdfast(['wait', '60'], { env: it.offsite.env });
  t.is(waited.status, 0, waited.stderr);
  t.is((await it.offsite.remote()).length, 3);
  // And by the worker alone.
  await it.offsite.archive(3);
  await eventually('it is sent', async () => (await it.offsite.remote()).length === 4, { within: 60_000 });
  await cluster.start();
  const admin = await connect(t, it.db.url);
  await eventuallyRow(admin, `select from holdfast.backup_chore where state = 'complete'`, [], {
    within: 60_000,
  });
  t.is(await admin.value(`select count(*)::int from holdfast.backup_chore where state <> 'complete'`), 0);
});
