// The control database is restored to an earlier time, in which requests were waiting and backups under way that have
// long ended since.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { EmbeddedCluster } from '../../dev/embedded/cluster.ts';
import { backup, completeBackup, startBackup, untilState } from '../support/backups.ts';
import { finish, request } from '../support/requests.ts';
import { noRestore, restoredCopy, tarOf, type Copy } from '../support/restored-copy.ts';
import { sceneOfItsOwn, type Scene } from '../support/scene.ts';
import { connect, type SqlClient } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore);

test('a restored database ends what was live in it, and its ids may repeat', async (t) => {
  const it = await sceneOfItsOwn(t);
  await it.admin.query(`insert into holdfast.cluster (name) values ('later')`);
  const worker = await it.startWorker();
  const { copy, base } = await copyOf(it);

  const waiting = await request(it.client, { cluster: 'later', fast: true });
  const held = (await startBackup(it.client)).id;
  const archiving = (await startBackup(it.client)).id;
  await it.db.cluster.archiving.fail();
  await finish(it.client, archiving);
  await it.untilState(archiving, 'archiving');
  await it.admin.query(`select pg_create_restore_point('then')`);
  await it.db.cluster.archiving.recover();
  await it.untilState(archiving, 'complete');
  await completeBackup(it.client, held);
  const lost = await completeBackup(it.client, (await startBackup(it.client)).id);

  const restored = await restoredCopy(t, copy, { recovery_target_name: 'then' });
  const admin = await connect(t, restored.url({ database: it.db.name }));
  t.deepEqual(await admin.query('select id, state, session from holdfast.backup_status order by id'), [
    { id: waiting, state: 'requested', session: null },
    { id: held, state: 'running', session: 'gone' },
    { id: archiving, state: 'archiving', session: null },
  ]);

  await startWorkerOn(it, restored, worker.labels);
  for (const id of [waiting, held, archiving]) {
    t.is((await untilState(admin, id, 'failed', { within: 5000 })).error_code, 'restored');
  }
  t.is((await backup(admin, base)).state, 'complete');
  t.is(
    await admin.value(`select string_agg(to_state, ' ') from holdfast.backup_event where request_id = $1`, [
      waiting,
    ]),
    'requested failed',
  );

  const entries = () => labelsOf(worker.labels, lost.id);
  const [before] = await entries();
  t.is(before, String(lost.backup_label));
  await admin.query(`select setval(pg_get_serial_sequence('holdfast.backup_request', 'id'), $1, false)`, [
    lost.id,
  ]);
  const again = await requestThatRests(t, admin);
  t.is(again, lost.id);
  await admin.query('select holdfast.adopt()');
  await untilState(admin, again, 'running');
  const { backup_label } = await completeBackup(admin, again);
  t.deepEqual(await entries(), [before, String(backup_label)]);
  t.not(before, backup_label);
});

test('a restored copy contains its own request, which has failed within five seconds', async (t) => {
  const it = await sceneOfItsOwn(t);
  const worker = await it.startWorker();
  const { copy, base } = await copyOf(it);
  const waiting = await request(it.client, { fast: true });
  await it.untilState(waiting, 'running');

  const restored = await restoredCopy(t, copy, { recovery_target: 'immediate' });
  const admin = await connect(t, restored.url({ database: it.db.name }));
  t.is((await backup(admin, base)).state, 'done', 'consistent is what it is at its end only');
  await startWorkerOn(it, restored, worker.labels);
  t.is((await untilState(admin, base, 'failed', { within: 5000 })).error_code, 'restored');
  t.is((await backup(it.admin, base)).state, 'complete', 'the original goes its own way');
  t.is((await backup(it.admin, waiting)).state, 'running');
});

/** Nobody has said that the restored database is in charge. */
async function requestThatRests(t: ExecutionContext, admin: SqlClient): Promise<string> {
  const id = await request(admin, { fast: true });
  const status = 'select state, waiting_for from holdfast.backup_status where id = $1';
  const [resting] = await admin.query<{ state: string; waiting_for: string }>(status, [id]);
  t.is(resting?.state, 'requested');
  t.regex(String(resting?.waiting_for), /adopt/);
  return id;
}

/** Copied inside of a backup window of its own. */
async function copyOf(it: Scene): Promise<{ copy: Copy; base: string }> {
  const { cluster } = it.db;
  const { id } = await startBackup(it.client);
  const tar = await tarOf(cluster);
  const { backup_label } = await completeBackup(it.client, id);
  return { copy: { source: cluster, tar, label: String(backup_label) }, base: id };
}

async function startWorkerOn(it: Scene, restored: EmbeddedCluster, labels: string): Promise<void> {
  await it.startWorker({
    url: restored.url({ database: it.db.name, user: it.workerLogin.role }),
    env: { HOLDFAST_LABELS: labels },
    config: '[cluster.main]\n[cluster.later]\n',
  });
}

/** Every backup_label that is kept for that id, oldest first. */
async function labelsOf(labels: string, id: string): Promise<string[]> {
  const names = await readdir(join(labels, 'main'));
  const ours = names.filter((name) => new RegExp(`^\\d+T\\d+Z-${id}(\\.\\d+)?$`).test(name)).sort();
  return Promise.all(ours.map((name) => readFile(join(labels, 'main', name, 'backup_label'), 'utf8')));
}
