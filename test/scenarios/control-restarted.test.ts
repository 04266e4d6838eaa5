// The control database goes away and comes back while backups are held on another server: they go on.
import type { ExecutionContext } from 'ava';
import {
  backup,
  completeBackup,
  isConnected,
  labelFiles,
  sessionOf,
  startBackup,
  untilState,
} from '../support/backups.ts';
import { noOwnCluster, ownCluster, sharedCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { startWorkerProcess } from '../support/process.ts';
import { finish } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noOwnCluster);

/** Control on a server of the test's own, the backup sessions on the shared one. */
async function setup(t: ExecutionContext) {
  const control = await ownCluster(t, { installed: true });
  const db = await installedDatabase(t, control);
  const target = await sharedCluster();
  const config = `[cluster.main]\nurl = "${target.url()}"\n`;
  const worker = await startWorkerProcess(t, { url: db.url, config });
  return { control, db, worker, client: () => connect(t, db.url), target: await connect(t, target.url()) };
}

for (const mode of ['fast', 'immediate'] as const) {
  test(`a running backup survives a ${mode} restart of the control database, and is seen alive again`, async (t) => {
    const { control, client, target } = await setup(t);
    const before = await startBackup(await client(), { label: mode });
    t.is(await sessionOf(await client(), before.id), 'alive');
    await control.restart(mode);

    const again = await client();
    await eventually('alive', async () => (await sessionOf(again, before.id)) === 'alive', { within: 5000 });
    t.true(await isConnected(target, before.pid));
    const after = await completeBackup(again, before.id);
    t.is(after.pid, before.pid);
    t.regex(String(after.backup_label), new RegExp(`LABEL: ${mode}\n`));
  });

  test(`a backup that was being stopped keeps its label through a ${mode} restart`, async (t) => {
    const { control, client, worker } = await setup(t);
    const sql = await client();
    const { id } = await startBackup(sql);
    // Stopped, and not written into the row: what it takes for that is locked.
    const lock = await client();
    await lock.query('begin; lock table holdfast.backup_session in share mode');
    await finish(sql, id);
    const kept = await eventually('the label in its directory', () => labelFiles(worker.labels, id));
    t.is((await backup(sql, id)).state, 'done');
    await control.restart(mode);

    const after = await untilState(await client(), id, 'complete', { within: 5000 });
    t.deepEqual(Buffer.from(String(after.backup_label)), kept.get('backup_label'));
    t.deepEqual(after.warnings, []);
  });
}

test('a control database that is down for 20 seconds ends no backup', async (t) => {
  const { control, client, target } = await setup(t);
  const { id, pid } = await startBackup(await client());
  await control.stop();
  const until = performance.now() + 20_000;
  await eventually(
    '20 seconds later',
    async () => {
      if (!(await isConnected(target, pid))) throw new Error('the backup session has ended');
      return performance.now() > until;
    },
    { within: 30_000 },
  );
  await control.start();

  const sql = await client();
  await eventually('alive', async () => (await sessionOf(sql, id)) === 'alive', { within: 5000 });
  await completeBackup(sql, id);
  const later = await startBackup(sql);
  t.truthy((await completeBackup(sql, later.id)).backup_label);
});
