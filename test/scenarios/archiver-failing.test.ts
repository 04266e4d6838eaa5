// "complete" means restorable: while the archiver fails, the label is readable and the backup is not complete.
import type { ExecutionContext } from 'ava';
import { rm, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { asRole, installedDatabase } from '../support/installed-database.ts';
import { backup, completeBackup, startBackup, untilState } from '../support/backups.ts';
import { noOwnCluster, noServerFiles, ownCluster } from '../support/cluster.ts';
import { eventually, eventuallyRow } from '../support/eventually.ts';
import { startWorkerProcess } from '../support/process.ts';
import { finish, request } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noOwnCluster);

async function setup(t: ExecutionContext) {
  const cluster = await ownCluster(t, { installed: true });
  const db = await installedDatabase(t, cluster);
  const worker = await startWorkerProcess(t, { url: db.url });
  return { cluster, db, worker, client: await connect(t, db.url) };
}

/** A backup whose archiver began to fail while it ran. */
async function archivingBackup(t: ExecutionContext) {
  const { cluster, client, ...rest } = await setup(t);
  const { id } = await startBackup(client);
  await cluster.archiving.fail();
  await finish(client, id);
  await untilState(client, id, 'archiving');
  return { ...rest, cluster, client, id };
}

test('with a failing archiver the label is readable, a warning names the segment, and recovery completes it', async (t) => {
  const { cluster, client, id, worker } = await archivingBackup(t);
  const waiting = await eventually('a warning', async () => {
    const row = await backup(client, id);
    return row.warnings.length > 0 ? row : undefined;
  });
  t.is(waiting.state, 'archiving');
  t.regex(String(waiting.backup_label), /^START WAL LOCATION: /);
  t.regex(String(waiting.warnings), /the archiver is failing: it could not archive [0-9A-F]{24}/);
  const status = await eventuallyRow(
    client,
    `select waiting_for from holdfast.backup_status where id = $1 and waiting_for like '%archiver fails since%'`,
    [id],
  );
  t.regex(String(status['waiting_for']), /[0-9A-F]{24} to be archived/);

  const until = performance.now() + 2500;
  await eventually('the worker has looked again', () => performance.now() > until);
  await cluster.archiving.recover();
  const complete = await untilState(client, id, 'complete');
  t.truthy(complete.archived_at);
  t.is(complete.warnings.length, 1, 'one warning, however often it was seen');
  t.is(worker.output().match(/the archiver is failing/g)?.length, 1, 'one line of the log, too');
});

test('an operator gives up a backup that will never be archived; its label stays, and the next one runs', async (t) => {
  const { cluster, db, client, id } = await archivingBackup(t);
  const requester = await asRole(t, db, 'requester');
  const operator = await asRole(t, db, 'operator');
  const giveUp = `update holdfast.backup_request set state = 'failed' where id = $1 returning id`;
  t.deepEqual(await requester.query(giveUp, [id]), [], "not a requester's to give up");
  await operator.query(giveUp, [id]);
  const given = await backup(client, id);
  t.is(given.error_code, 'given_up');
  t.regex(String(given.backup_label), /^START WAL LOCATION: /);

  await cluster.archiving.recover();
  // The archiver's last failure counts until it has archived something.
  await eventuallyRow(client, 'select from pg_stat_archiver where last_archived_time > last_failed_time');
  const next = await startBackup(client);
  await completeBackup(client, next.id);
  t.is((await backup(client, id)).state, 'failed', 'what is over never changes');
});

test('an archiver that is failing already is a reason to refuse, before any checkpoint', async (t) => {
  const { cluster, client } = await setup(t);
  await cluster.archiving.fail();
  await client.query(`select pg_create_restore_point('x'), pg_switch_wal()`);
  await eventuallyRow(client, 'select from pg_stat_archiver where last_failed_time is not null');

  const refused = await untilState(client, await request(client, { label: 'refused' }), 'failed');
  t.is(refused.error_code, 'archiver_failing');
  t.regex(String(refused.error), /could not archive [0-9A-F]{24}/);
  t.is(refused.start_lsn, null);

  const { id } = await startBackup(client, { wait_for_archive: false });
  const complete = await completeBackup(client, id);
  t.is(complete.archived_at, null);
  t.regex(String(complete.warnings), /archiver is failing.*did not want to wait/);
});

testWhen(noServerFiles)(
  'a checkpoint that removes what was archived does not keep the backup waiting',
  async (t) => {
    const { cluster, client, id } = await archivingBackup(t);
    // What the archiver and a checkpoint leave of a segment: neither its status nor, in the end, the segment.
    const wal = join(String(cluster.dataDirectory), 'pg_wal');
    const { start_wal: segment } = (
      await client.query<{ start_wal: string }>(
        'select start_wal from holdfast.backup_request where id = $1',
        [id],
      )
    )[0] ?? { start_wal: '' };
    t.true((await readdir(join(wal, 'archive_status'))).includes(`${segment}.ready`));
    for (const name of await readdir(join(wal, 'archive_status'))) {
      if (!name.startsWith(segment)) continue;
      await rm(join(wal, name.replace('.ready', '')), { force: true });
      await rm(join(wal, 'archive_status', name));
    }
    await untilState(client, id, 'complete', { within: 5000 });
  },
);
