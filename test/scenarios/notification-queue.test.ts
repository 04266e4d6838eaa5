// Somebody listens inside a transaction that he leaves open, and the queue of notifications fills up: for everybody.
import type { ExecutionContext } from 'ava';
import { completeBackup, startBackup } from '../support/backups.ts';
import { noOwnCluster, ownCluster } from '../support/cluster.ts';
import { eventually, eventuallyRow } from '../support/eventually.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { startWorkerProcess } from '../support/process.ts';
import { insertSchedule } from '../support/schedules.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const oldServer =
  Number(process.env['TEST_PG_VERSION'] ?? 18) < 17
    ? 'before 17 the queue has 8 GB, always, and takes too long to fill'
    : undefined;
const test = testWhen(noOwnCluster, oldServer);

test('with the notification queue full, requests are made, served and finished all the same', async (t) => {
  const { client, sleeper } = await withFullQueue(t);
  const before = performance.now();
  const { id } = await startBackup(client);
  const { backup_label } = await completeBackup(client, id);
  t.true(performance.now() - before < 10_000, 'found by looking, twice');
  t.regex(String(backup_label), /^START WAL LOCATION: /);
  const [called] = await client.query<{ id: string }>(`call holdfast.start_backup('called', fast => true)`);
  await client.query('call holdfast.cancel_backup($1)', [called?.id]);

  await sleeper.query('rollback');
  await eventually('prompt again', async () => {
    const start = performance.now();
    await completeBackup(client, (await startBackup(client)).id);
    return performance.now() - start < 1000;
  });
});

test('schedules, chores and drills are written then, too, and workers find what is to be done', async (t) => {
  const { client } = await withFullQueue(t);
  await client.query(
    `insert into holdfast.backup_chore (kind, options) values ('expire', '{"dry_run": true}')`,
  );
  await insertSchedule(client, '* * * * * *', { method: 'hold', fast: true });
  await client.query(
    `insert into holdfast.backup_drill (cluster, worker, started_at, finished_at, ok, target, error_code, error)
     values ('main', 'w', now(), now(), false, 'latest', 'x', 'x')`,
  );
  const patience = { within: 60_000 };
  await eventuallyRow(client, `select from holdfast.backup_chore where state = 'complete'`, [], patience);
  await eventuallyRow(client, `select from holdfast.backup_request where state = 'running'`, [], patience);

  await client.query('update holdfast.backup_schedule set enabled = false');
  await client.query('delete from holdfast.backup_schedule');
  t.true((await client.value<number>('select pg_notification_queue_usage()')) >= 0.5, 'it is full yet');
});

/** With a worker; whoever notifies now fails. */
async function withFullQueue(t: ExecutionContext) {
  const cluster = await ownCluster(t, { settings: { max_notify_queue_pages: '64' }, installed: true });
  const db = await installedDatabase(t, cluster);
  await startWorkerProcess(t, { url: db.url });
  const client = await connect(t, db.url);
  const sleeper = await connect(t, db.url);
  await sleeper.query('listen anything');
  await sleeper.query('begin');
  await sleeper.query('select 1');

  const fill = `select pg_notify('anything', repeat('x', 7000) || n) from generate_series(1, 5) n`;
  let refusal: Error | undefined;
  while (!refusal) await client.query(fill).catch((error: Error) => (refusal = error));
  t.regex(refusal.message, /too many notifications/);
  t.true((await client.value<number>('select pg_notification_queue_usage()')) >= 0.5);
  return { client, sleeper };
}
