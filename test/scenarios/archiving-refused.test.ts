// Where WAL would not reach an archive, a backup is refused before the checkpoint is paid for.
import type { ExecutionContext } from 'ava';
import { completeBackup, startBackup, untilState } from '../support/backups.ts';
import { noOwnCluster, ownCluster } from '../support/cluster.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { startWorkerProcess } from '../support/process.ts';
import { request } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noOwnCluster);

async function setup(t: ExecutionContext, settings: Record<string, string>) {
  const cluster = await ownCluster(t, { settings, installed: true });
  const db = await installedDatabase(t, cluster);
  await startWorkerProcess(t, { url: db.url });
  return { cluster, client: await connect(t, db.url) };
}

test('archiving off is refused; a requester who does not wait for the archive gets a warning', async (t) => {
  const { client } = await setup(t, { archive_mode: 'off' });
  const refused = await untilState(client, await request(client), 'failed', { within: 5000 });
  t.is(refused.error_code, 'archiving_off');
  t.regex(String(refused.hint), /archive_mode = on/);
  t.is(refused.start_lsn, null);

  const { id } = await startBackup(client, { wait_for_archive: false });
  const complete = await completeBackup(client, id);
  t.regex(String(complete.backup_label), /^START WAL LOCATION: /);
  t.is(complete.archived_at, null);
  t.regex(String(complete.warnings), /archive_mode is off/);
});

test('archive_mode on without an archive_command is refused, and following the hint helps', async (t) => {
  const { cluster, client } = await setup(t, { archive_command: '' });
  const refused = await untilState(client, await request(client), 'failed', { within: 5000 });
  t.is(refused.error_code, 'archiving_not_configured');
  t.regex(String(refused.hint), /set archive_command and reload/);

  await cluster.configure({ archive_command: 'true' });
  const { id } = await startBackup(client);
  t.truthy((await completeBackup(client, id)).archived_at);
});

test('wal_level minimal is refused, whether or not the archive is waited for', async (t) => {
  const { client } = await setup(t, { archive_mode: 'off', wal_level: 'minimal', max_wal_senders: '0' });
  for (const wait_for_archive of [true, false]) {
    const refused = await untilState(client, await request(client, { wait_for_archive }), 'failed');
    t.is(refused.error_code, 'wal_level');
    t.regex(String(refused.hint), /wal_level = replica/);
  }
});
