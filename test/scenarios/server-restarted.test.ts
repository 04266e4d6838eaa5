// Control and target are one server, and it restarts: what lives in a session is lost, and only that.
import type { ExecutionContext } from 'ava';
import { backup, labelFiles, startBackup, untilState } from '../support/backups.ts';
import { noOwnCluster, ownCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { startWorkerProcess } from '../support/process.ts';
import { finish } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noOwnCluster);

async function setup(t: ExecutionContext) {
  const cluster = await ownCluster(t, { installed: true });
  const db = await installedDatabase(t, cluster);
  const worker = await startWorkerProcess(t, { url: db.url });
  return { cluster, worker, client: () => connect(t, db.url) };
}

for (const mode of ['fast', 'immediate'] as const) {
  test(`a ${mode} restart fails the running backup, and says why`, async (t) => {
    const { cluster, client } = await setup(t);
    const { id } = await startBackup(await client());
    await cluster.restart(mode);
    const failed = await untilState(await client(), id, 'failed', { within: 5000 });
    t.is(failed.error_code, 'session_lost');
    t.regex(String(failed.error), /the backup session was lost/);
    t.regex(String(failed.hint), /not a backup/);
    t.is(failed.backup_label, null);
  });

  test(`a ${mode} restart after pg_backup_stop does not lose the label`, async (t) => {
    const { cluster, client, worker } = await setup(t);
    const sql = await client();
    const { id } = await startBackup(sql);
    const lock = await client();
    await lock.query('begin; lock table holdfast.backup_session in share mode');
    await finish(sql, id);
    const kept = await eventually('the label in its directory', () => labelFiles(worker.labels, id));
    t.is((await backup(sql, id)).state, 'done');
    await cluster.restart(mode);
    const complete = await untilState(await client(), id, 'complete', { within: 5000 });
    t.deepEqual(Buffer.from(String(complete.backup_label)), kept.get('backup_label'));
  });

  test(`a ${mode} restart while archiving goes on to complete when the archiver can`, async (t) => {
    const { cluster, client } = await setup(t);
    const sql = await client();
    const { id } = await startBackup(sql);
    await cluster.archiving.fail();
    await finish(sql, id);
    const { backup_label } = await untilState(sql, id, 'archiving');
    await cluster.restart(mode);
    const again = await client();
    t.is((await backup(again, id)).state, 'archiving');
    await cluster.archiving.recover();
    t.is((await untilState(again, id, 'complete')).backup_label, backup_label);
  });
}
