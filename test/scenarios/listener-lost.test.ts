// A notification is a hint: without its listener the worker serves a little later, and with a new one promptly again.
import test, { type ExecutionContext } from 'ava';
import { completeBackup, killSessions, startBackup } from '../support/backups.ts';
import { blackHoleProxy, type BlackHoleProxy } from '../support/black-hole-proxy.ts';
import { noOwnCluster, ownCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { startWorkerProcess } from '../support/process.ts';
import { connect, type SqlClient } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const listeners = `select pid from pg_stat_activity where application_name = 'holdfast listener' and datname = current_database()`;

async function setup(t: ExecutionContext, through?: (url: string) => Promise<string>) {
  const db = await installedDatabase(t);
  const worker = await startWorkerProcess(t, { url: (await through?.(db.url)) ?? db.url });
  return { db, worker, client: await connect(t, db.url) };
}

/** Milliseconds until the worker has taken it. Notifications take a few; the worker's own look is every two seconds. */
async function timeToStart(client: SqlClient): Promise<number> {
  const { id } = await startBackup(client);
  await completeBackup(client, id);
  return client.value<number>(
    `select extract(epoch from max(at) filter (where to_state = 'starting') -
       max(at) filter (where to_state = 'requested'))::float8 * 1000
     from holdfast.backup_event where request_id = $1`,
    [id],
  );
}

/** All of several: each alone the worker's own look, every two seconds, could have made prompt by chance. */
async function isPrompt(client: SqlClient): Promise<boolean> {
  for (let round = 0; round < 6; round += 1) if ((await timeToStart(client)) > 1000) return false;
  return true;
}

test('a killed listener is replaced, and requests are served promptly again', async (t) => {
  const { client } = await setup(t);
  t.true(await isPrompt(client));
  const [before] = await client.query(listeners);
  await client.query('select pg_terminate_backend($1)', [before?.['pid']]);
  t.true((await timeToStart(client)) < 5000, 'served while nobody may be listening');

  await eventually('another listener', async () => {
    const [now] = await client.query(listeners);
    return now !== undefined && now['pid'] !== before?.['pid'];
  });
  t.true(await isPrompt(client));
});

test('a listener killed again and again delays, and loses nothing', async (t) => {
  const { client } = await setup(t);
  for (let round = 0; round < 3; round += 1) {
    await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where application_name = 'holdfast listener' and datname = current_database()`,
    );
    t.true((await timeToStart(client)) < 5000);
  }
});

test('a frozen listener is found out and replaced; meanwhile requests are served within seconds', async (t) => {
  let proxy: BlackHoleProxy | undefined;
  const { client, worker } = await setup(t, async (url) => {
    const { hostname, port } = new URL(url);
    proxy = await blackHoleProxy(t, hostname, Number(port));
    return proxy.url(url);
  });
  proxy?.freezeOnly((name) => name === 'holdfast listener');
  const { id } = await startBackup(client);
  const before = performance.now();
  await completeBackup(client, id);
  t.true(performance.now() - before < 5000, 'the finish is seen without a notification');

  await eventually('the worker gives the silent connection up', () => /listener lost/.test(worker.output()));
  proxy?.thaw();
  await eventually('requests are prompt again', () => isPrompt(client));
});

testWhen(noOwnCluster)(
  'a worker outlives every one of its sessions, and the backup they held fails',
  async (t) => {
    const cluster = await ownCluster(t, { installed: true });
    const db = await installedDatabase(t, cluster);
    await startWorkerProcess(t, { url: db.url });
    const client = await connect(t, db.url);
    const { id } = await startBackup(client);
    for (const name of ['listener', 'worker', 'monitor', 'backup session']) {
      t.true((await killSessions(client, `holdfast ${name}`)) > 0, name);
    }
    const failed = await eventually(
      'the row says so',
      async () => {
        const [row] = await client.query(
          `select error_code from holdfast.backup_request where id = $1 and state = 'failed'`,
          [id],
        );
        return row;
      },
      { within: 5000 },
    );
    t.is(failed['error_code'], 'session_lost');
    t.true((await timeToStart(client)) < 5000);
  },
);
