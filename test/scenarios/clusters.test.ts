// One control database, several clusters: each where its url says, and none in the way of another.
import test, { type ExecutionContext } from 'ava';
import {
  backup,
  completeBackup,
  isConnected,
  sessionOf,
  startBackup,
  untilState,
} from '../support/backups.ts';
import { blackHoleProxy } from '../support/black-hole-proxy.ts';
import { freshDatabase, noOwnCluster, ownCluster, sharedCluster } from '../support/cluster.ts';
import { eventuallyRow } from '../support/eventually.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { startWorkerProcess } from '../support/process.ts';
import { finish, request } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

async function setup(t: ExecutionContext, clusters: Record<string, string>) {
  const db = await installedDatabase(t);
  const blocks = Object.entries(clusters).map(([name, url]) => `[cluster.${name}]\nurl = "${url}"\n`);
  const worker = await startWorkerProcess(t, { url: db.url, config: blocks.join('') });
  return { db, worker, client: await connect(t, db.url) };
}

test('a session in another database of the same server is seen alive, seen gone, and finished', async (t) => {
  const other = await freshDatabase(t);
  const { client } = await setup(t, { main: other.url });
  const first = await startBackup(client);
  t.is(await sessionOf(client, first.id), 'alive');
  const where = 'select datname from pg_stat_activity where pid = $1';
  t.is(await client.value(where, [first.pid]), other.name);
  await completeBackup(client, first.id);

  const second = await startBackup(client);
  await client.query('select pg_terminate_backend($1)', [second.pid]);
  t.is((await untilState(client, second.id, 'failed', { within: 5000 })).error_code, 'session_lost');
});

testWhen(noOwnCluster)('a session on another server is seen alive, and fails when it is gone', async (t) => {
  const server = await ownCluster(t, { installed: true });
  const { client } = await setup(t, { main: server.url() });
  const there = await connect(t, server.url());
  const first = await startBackup(client);
  t.is(await sessionOf(client, first.id), 'alive');
  t.true(await isConnected(there, first.pid));
  await completeBackup(client, first.id);

  const second = await startBackup(client);
  await there.query('select pg_terminate_backend($1)', [second.pid]);
  t.is((await untilState(client, second.id, 'failed', { within: 5000 })).error_code, 'session_lost');
  const fields = 'select count(distinct system_identifier)::int from holdfast.backup_request';
  t.is(await client.value(fields), 1);
  t.not(
    await client.value(`select system_identifier::text from holdfast.backup_request where id = $1`, [
      first.id,
    ]),
    await client.value('select system_identifier::text from pg_control_system()'),
  );
});

test('a cluster that does not even answer holds up nobody: not the others, nor their take-over', async (t) => {
  const up = await sharedCluster();
  const { hostname, port } = new URL(up.url());
  const hole = await blackHoleProxy(t, hostname, Number(port));
  const { db, client, worker } = await setup(t, { up: up.url(), hole: hole.url(up.url()) });
  const left = [
    await startBackup(client, { cluster: 'hole' }),
    await startBackup(client, { cluster: 'hole' }),
  ];
  const mine = await startBackup(client, { cluster: 'up' });
  worker.kill('SIGKILL');
  await worker.exited;
  hole.freeze();

  const config = `[cluster.up]\nurl = "${up.url()}"\n[cluster.hole]\nurl = "${hole.url(up.url())}"\n`;
  await startWorkerProcess(t, { url: db.url, config });
  await untilState(client, mine.id, 'failed', { within: 5000 });
  await completeBackup(client, (await startBackup(client, { cluster: 'up' })).id);
  for (const { id } of left)
    t.is((await backup(client, id)).state, 'running', 'nobody knows, so nobody says');
  hole.thaw();
  for (const { id } of left) await untilState(client, id, 'failed');
});

test('a request for a cluster that no worker serves waits, and says for what', async (t) => {
  const { client, db } = await setup(t, { up: (await sharedCluster()).url() });
  const id = await request(client);
  const waiting = 'select waiting_for from holdfast.backup_status where id = $1';
  t.is(await client.value(waiting, [id]), 'a worker: none alive serves this cluster');
  t.regex(String(client.notices.at(-1)?.message), /no live worker serves cluster "main"/);
  await startWorkerProcess(t, { url: db.url });
  await untilState(client, id, 'running', { within: 15_000 });
  await finish(client, id);
  await untilState(client, id, 'complete');
  await eventuallyRow(client, `select from holdfast.cluster where name = 'main' and archive_mode = 'on'`);
});
