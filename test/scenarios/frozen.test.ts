// The network swallows one of the worker's connections, and nobody is told.
import test, { type ExecutionContext } from 'ava';
import {
  backup,
  completeBackup,
  isConnected,
  killSessions,
  sessionOf,
  startBackup,
  untilState,
} from '../support/backups.ts';
import { blackHoleProxy } from '../support/black-hole-proxy.ts';
import { sharedCluster } from '../support/cluster.ts';
import { eventually, eventuallyRow } from '../support/eventually.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { startWorkerProcess } from '../support/process.ts';
import { finish, request } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';

/** A proxy before the control database, and one before the target: the same server, of which one proxy knows nothing. */
async function setup(t: ExecutionContext) {
  const server = await sharedCluster();
  const db = await installedDatabase(t);
  const { hostname, port } = new URL(server.url());
  const control = await blackHoleProxy(t, hostname, Number(port));
  const target = await blackHoleProxy(t, hostname, Number(port));
  const config = `[cluster.main]\nurl = "${target.url(db.url)}"\n`;
  const worker = await startWorkerProcess(t, { url: control.url(db.url), config });
  return { db, control, target, worker, client: await connect(t, db.url) };
}

test('a frozen control session ends no backup; what happened meanwhile is seen when it thaws', async (t) => {
  const { control, worker, client } = await setup(t);
  const held = await startBackup(client);
  control.freezeOnly((name) => name === 'holdfast worker');
  const meanwhile = await request(client, { fast: true });
  await finish(client, held.id);
  await eventually('the worker gives it up', () => /lost the control database/.test(worker.output()));
  t.is((await backup(client, held.id)).state, 'done');
  t.true(await isConnected(client, held.pid), 'the backup session is still held');

  control.thaw();
  t.truthy((await untilState(client, held.id, 'complete', { within: 5000 })).backup_label);
  await untilState(client, meanwhile, 'running', { within: 5000 });
  t.is(await sessionOf(client, meanwhile), 'alive');
  await completeBackup(client, meanwhile);
});

test('a control session that freezes while it registers is given up as well', async (t) => {
  const { db, control, worker, client } = await setup(t);
  const { id } = await startBackup(client);
  const lock = await connect(t, db.url);
  await lock.query('begin; lock table holdfast.worker in access exclusive mode');
  await killSessions(client, 'holdfast worker');
  await eventuallyRow(
    client,
    `select from pg_stat_activity
     where datname = current_database() and application_name = 'holdfast worker' and wait_event_type = 'Lock'`,
  );
  control.freezeOnly((name) => name === 'holdfast worker');
  await lock.query('rollback');
  await eventually('it tries again', () => /cannot reach the control database/.test(worker.output()));

  control.thaw();
  await eventually('alive', async () => (await sessionOf(client, id)) === 'alive');
  t.truthy((await completeBackup(client, id)).backup_label);
});

test('a backup session that stays frozen is found out within half a minute, and the backup fails', async (t) => {
  const { target, client } = await setup(t);
  const { id } = await startBackup(client);
  target.freeze();
  const failed = await untilState(client, id, 'failed', { within: 45_000 });
  t.is(failed.error_code, 'session_lost');
  t.regex(String(failed.error), /did not answer within/);
  target.thaw();
  const next = await startBackup(client);
  await completeBackup(client, next.id);
});

test('a target that freezes while the backup is stopped delays it, and the label arrives when it thaws', async (t) => {
  const { target, client } = await setup(t);
  const { id } = await startBackup(client);
  target.freeze();
  await finish(client, id);
  const until = performance.now() + 6000;
  await eventually('longer than a ping may take', () => performance.now() > until);
  t.is((await backup(client, id)).state, 'done');
  target.thaw();
  t.truthy((await untilState(client, id, 'complete', { within: 5000 })).backup_label);
});
