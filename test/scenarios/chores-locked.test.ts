// Locks of pg-boss that a stranger holds, as every role can, a worker that stands still, and a chore that runs for long:
// what that does to the other chores.
import type { ExecutionContext } from 'ava';
import { noChores, requestChore, untilChore } from '../support/chores.ts';
import { eventuallyRow } from '../support/eventually.ts';
import { asRole } from '../support/installed-database.ts';
import { untilLooked } from '../support/looks.ts';
import { holdQueueLock } from '../support/queue-schema.ts';
import { request } from '../support/requests.ts';
import { scene, type Scene } from '../support/scene.ts';
import { syncScene, untilRunning, type SyncScene } from '../support/sync-scene.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noChores);

/** A sync that runs until it is told otherwise. */
async function syncing(t: ExecutionContext): Promise<Scene & { offsite: SyncScene }> {
  const offsite = await syncScene(t);
  await offsite.archive(1);
  await offsite.tell('wait');
  return { ...(await scene(t)), offsite };
}

test('whoever holds the lock for new queues holds up new chores and nothing else, and is named in the log', async (t) => {
  const it = await syncing(t);
  const operator = await asRole(t, it.db, 'operator');
  const stranger = await asRole(t, it.db);
  const worker = await it.startWorker({ env: it.offsite.env });
  await untilRunning(it.offsite, 1);

  await holdQueueLock(stranger, 'create-queue');
  const id = await requestChore(operator, 'expire');
  const line = await worker.untilLine(/chores wait/);
  t.regex(line, new RegExp(`backend ${stranger.pid} of role \\\\"${stranger.role}\\\\"`));
  t.regex(line, /pg_terminate_backend/);
  await it.untilState(await request(it.client, { fast: true }), 'running');
  await it.offsite.untell('wait');
  await eventuallyRow(
    it.admin,
    `select from holdfast.backup_chore where kind = 'sync' and state = 'complete'`,
  );

  await stranger.query('select pg_advisory_unlock_all()');
  t.like(await untilChore(operator, id, 'complete'), { attempts: 1 });
});

test('whoever holds the lock for lost chores delays that another worker takes one over, and is named in the log', async (t) => {
  const it = await syncing(t);
  const stranger = await asRole(t, it.db);
  await holdQueueLock(stranger, 'job_commonfailJobsByHeartbeat');
  const first = await it.startWorker({ env: it.offsite.env });
  await untilRunning(it.offsite, 1);
  first.kill('SIGKILL');
  await first.exited;
  const second = await it.startWorker({ env: it.offsite.env });
  t.regex(await second.untilLine(/chores wait/), new RegExp(`backend ${stranger.pid} `));

  await stranger.query('select pg_advisory_unlock_all()');
  await it.offsite.untell('wait');
  t.like(await untilChore(it.admin, '1', 'complete'), { attempts: 2, error: null });
});

test('a worker that stands still for longer than its heartbeats last keeps its chore', async (t) => {
  const it = await syncing(t);
  const operator = await asRole(t, it.db, 'operator');
  const first = await it.startWorker({ env: it.offsite.env });
  await untilRunning(it.offsite, 1);
  await eventuallyRow(it.admin, 'select from holdfast_boss.job where heartbeat_on > started_on');
  first.kill('SIGSTOP');
  await eventuallyRow(
    it.admin,
    `select from holdfast_boss.job where heartbeat_on < now() - heartbeat_seconds * interval '1 s'`,
  );
  await it.startWorker({ env: it.offsite.env });
  // The second worker looks at the older chore first.
  await untilChore(operator, await requestChore(operator, 'expire'), 'complete');
  t.like(await untilChore(operator, '1', 'running'), { attempts: 1 });

  first.kill('SIGCONT');
  await it.offsite.untell('wait');
  t.like(await untilChore(operator, '1', 'complete'), { attempts: 1, error: null });
  t.is((await it.offsite.runs()).length, 1);
});

test('a retry that is due behind a running chore does not have the table read again and again', async (t) => {
  const it = await syncing(t);
  const operator = await asRole(t, it.db, 'operator');
  await it.startWorker({ env: it.offsite.env });
  await untilRunning(it.offsite, 1);
  await it.admin.query(
    `set session_replication_role = replica;
     insert into holdfast.backup_chore (kind, requested_by, requested_login, requested_at, automatic, state, attempts,
       next_attempt_at, error_code, error)
     values ('sync', current_user, current_user, now(), false, 'retrying', 1, now(), 'sync_failed', 'it failed');
     reset session_replication_role`,
  );
  // The worker reads the table, with the retry in it.
  await untilChore(operator, await requestChore(operator, 'expire'), 'complete');
  const reads = () =>
    it.admin.value<number>(
      `select (seq_scan + idx_scan)::int from pg_stat_user_tables where relname = 'backup_chore'`,
    );
  const before = await reads();
  await untilLooked(it.admin, 3);
  const sent = (await reads()) - before;
  t.true(sent < 20, `${sent} reads`);

  await it.offsite.untell('wait');
  const { id } = await eventuallyRow(it.admin, `select id from holdfast.backup_chore where attempts = 2`);
  await untilChore(operator, String(id), 'complete');
});
