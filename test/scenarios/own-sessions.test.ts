// Every request has a session and a label of its own.
import test, { type ExecutionContext } from 'ava';
import { completeBackup, labelFiles, startBackup } from '../support/backups.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { startWorkerProcess } from '../support/process.ts';
import { connect } from '../support/sql-client.ts';

async function setup(t: ExecutionContext) {
  const db = await installedDatabase(t);
  const worker = await startWorkerProcess(t, { url: db.url });
  return { worker, client: await connect(t, db.url), other: await connect(t, db.url) };
}

test('two clients at once get a session each, and each its own label', async (t) => {
  const { client, other, worker } = await setup(t);
  const [one, two] = await Promise.all([
    startBackup(client, { label: 'one' }),
    startBackup(other, { label: 'two' }),
  ]);
  t.not(one.pid, two.pid);
  const [first, second] = await Promise.all([completeBackup(client, one.id), completeBackup(other, two.id)]);
  t.regex(String(first.backup_label), /\nLABEL: one\n/);
  t.regex(String(second.backup_label), /\nLABEL: two\n/);
  t.is((await labelFiles(worker.labels, one.id))?.get('backup_label')?.toString(), first.backup_label ?? '');
  t.is((await labelFiles(worker.labels, two.id))?.get('backup_label')?.toString(), second.backup_label ?? '');
});
