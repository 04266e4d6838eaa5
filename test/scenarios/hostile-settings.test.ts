// Servers whose settings would end a held session, or change what a transaction sees.
import type { ExecutionContext } from 'ava';
import { backup, completeBackup, sessionOf, startBackup, untilState } from '../support/backups.ts';
import { noOwnCluster, ownCluster, sharedCluster } from '../support/cluster.ts';
import { copyScene, noCopies } from '../support/copies.ts';
import { eventually } from '../support/eventually.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { startWorkerProcess } from '../support/process.ts';
import { finish } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noOwnCluster);
const copyTest = testWhen(noCopies);
const sharedTest = testWhen();

test('with every timeout of the server at 2 seconds, a backup is held for 7 and no session of the worker ends', async (t) => {
  const cluster = await ownCluster(t, { installed: true });
  const db = await installedDatabase(t, cluster);
  await cluster.configure(everyTimeout(cluster.version));
  await startWorkerProcess(t, { url: db.url });
  const client = () => connect(t, db.url);
  const held = await startBackup(await client());
  const sessions = async () => {
    const rows = await (
      await client()
    ).query(
      `select pid from pg_stat_activity where application_name ~ '^holdfast (worker|listener|monitor|backup)'`,
    );
    return rows.map(({ pid }) => Number(pid)).sort((a, b) => a - b);
  };
  const before = await eventually('all sessions', async () => {
    const pids = await sessions();
    return pids.length >= 5 ? pids : undefined;
  });

  const until = performance.now() + 7000;
  await eventually('7 seconds later', () => performance.now() > until);
  t.deepEqual(await sessions(), before);
  t.is(await sessionOf(await client(), held.id), 'alive');
  t.truthy((await completeBackup(await client(), held.id)).backup_label);
});

copyTest('with every timeout of the server at 2 seconds, a copy that takes longer is complete', async (t) => {
  const { admin, cluster, copy, startCopier } = await copyScene(t);
  await cluster.configure(everyTimeout(cluster.version));
  await startCopier();
  const { row, description } = await copy({ rate_limit: 8 << 20 });
  t.deepEqual(row.warnings, []);
  t.true(description.bytes > 16 << 20);
  const seconds = await admin.value<number>(
    `select extract(epoch from ended_at - began_at)::float8 from holdfast.backup_stage
     where request_id = $1 and stage = 'copy'`,
    [row.id],
  );
  t.true(seconds > 2.5, `it took ${seconds} s`);
});

test('a spread checkpoint that takes longer than statement_timeout is waited for', async (t) => {
  const cluster = await ownCluster(t, {
    settings: { checkpoint_timeout: '30s', checkpoint_completion_target: '0.3' },
    installed: true,
  });
  const db = await installedDatabase(t, cluster);
  await cluster.configure({
    statement_timeout: '2s',
    ...(cluster.version >= 17 && { transaction_timeout: '2s' }),
  });
  await startWorkerProcess(t, { url: db.url });
  const client = await connect(t, db.url);
  await client.query(
    `create table pages as select n, repeat('x', 500) as filler from generate_series(1, 20000) n`,
  );
  const before = performance.now();
  const started = await startBackup(client, { fast: false });
  t.true(performance.now() - before > 2500, 'the checkpoint was spread');
  await completeBackup(client, started.id);
});

function everyTimeout(version: number): Record<string, string> {
  return {
    statement_timeout: '2s',
    lock_timeout: '2s',
    idle_in_transaction_session_timeout: '2s',
    ...(version >= 14 && { idle_session_timeout: '2s' }),
    ...(version >= 17 && { transaction_timeout: '2s' }),
  };
}

/** A database whose sessions begin with these settings, as installed. */
async function setup(t: ExecutionContext, settings: Record<string, string>) {
  const db = await installedDatabase(t);
  const admin = await connect(t, (await sharedCluster()).url());
  for (const [name, value] of Object.entries(settings)) {
    await admin.query(`alter database ${db.name} set ${name} = '${value}'`);
  }
  await startWorkerProcess(t, { url: db.url });
  return { client: await connect(t, db.url), other: await connect(t, db.url) };
}

for (const isolation of ['repeatable read', 'serializable']) {
  sharedTest(
    `with default_transaction_isolation = '${isolation}', every way to drive a backup works`,
    async (t) => {
      const { client, other } = await setup(t, { default_transaction_isolation: isolation });
      t.is(await client.value('show transaction_isolation'), isolation);
      const [called] = await client.query<{ id: string }>(
        `call holdfast.start_backup('called', fast => true)`,
      );
      t.is(await sessionOf(other, String(called?.id)), 'alive');
      const [stopped] = await client.query<{ backup_label: string }>(`call holdfast.stop_backup('called')`);
      t.regex(String(stopped?.backup_label), /\nLABEL: called\n/);

      const { id } = await startBackup(other, { label: 'inserted' });
      const waiting = client.query(`call holdfast.wait_for_backup($1, 'complete')`, [id]);
      await finish(other, id);
      await waiting;
      t.truthy((await untilState(other, id, 'complete')).backup_label);

      const lost = await startBackup(other, { label: 'lost' });
      await other.query('select pg_terminate_backend($1)', [lost.pid]);
      await untilState(other, lost.id, 'failed', { within: 5000 });
      t.is((await backup(other, lost.id)).error_code, 'session_lost');
    },
  );
}

sharedTest(
  'with default_transaction_read_only the worker works; a client has to say that it writes',
  async (t) => {
    const { client } = await setup(t, { default_transaction_read_only: 'on' });
    await t.throwsAsync(startBackup(client), { message: /read-only transaction/ });
    await client.query('set default_transaction_read_only = off');
    const [started] = await client.query<{ id: string }>(
      `call holdfast.start_backup('writes', fast => true)`,
    );
    const { backup_label } = await completeBackup(client, String(started?.id));
    t.regex(String(backup_label), /\nLABEL: writes\n/);
  },
);
