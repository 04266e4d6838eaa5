// "complete" means restorable: while the archiver fails, the label is readable and the backup is not complete.
import { asRole } from '../support/installed-database.ts';
import { archivingBackup, workerOfItsOwn } from '../support/archiving-backup.ts';
import { backup, completeBackup, startBackup, untilState } from '../support/backups.ts';
import { noOwnCluster } from '../support/cluster.ts';
import { eventually, eventuallyRow } from '../support/eventually.ts';
import { request } from '../support/requests.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noOwnCluster);

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
  const { cluster, client } = await workerOfItsOwn(t);
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
