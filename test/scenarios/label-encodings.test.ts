// Labels in databases of other encodings than UTF-8.
import test from 'ava';
import { completeBackup, killSessions, labelFiles, startBackup, untilState } from '../support/backups.ts';
import { freshDatabase, noServerFiles, sharedCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { installInto } from '../../dev/harness/install-into.ts';
import { latin1Target } from '../support/latin1-target.ts';
import { startWorkerProcess } from '../support/process.ts';
import { finish } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

test("a label in the target's own encoding arrives as the server's bytes", async (t) => {
  const { client, worker } = await latin1Target(t);
  const { id } = await startBackup(client, { label: 'Müllabfuhr' });
  const complete = await completeBackup(client, id);
  t.is(complete.label, 'Müllabfuhr');
  const file = (await labelFiles(worker.labels, id))?.get('backup_label');
  t.regex(String(file?.toString('latin1')), /\nLABEL: Müllabfuhr\n/);
  t.regex(String(complete.backup_label), /\nLABEL: M\\374llabfuhr\n/);
  t.regex(String(complete.warnings), /not valid UTF-8/);
});

testWhen(noServerFiles)("a label in the target's own encoding is rebuilt byte for byte", async (t) => {
  const { db, client, worker, startWorker } = await latin1Target(t);
  const { id } = await startBackup(client, { label: 'Müllabfuhr' });
  // Stopped, and the row cannot be written: there the worker dies.
  const lock = await connect(t, db.url);
  await lock.query('begin; lock table holdfast.backup_session in share mode');
  await finish(client, id);
  const kept = await eventually('the label in its directory', () => labelFiles(worker.labels, id));
  worker.kill('SIGKILL');
  await worker.exited;
  await killSessions(client, 'holdfast worker');
  await lock.query('rollback');

  const next = await startWorker();
  const { warnings } = await untilState(client, id, 'complete');
  t.regex(String(warnings), /rebuilt from the backup history file/);
  t.deepEqual((await labelFiles(next.labels, id))?.get('backup_label'), kept.get('backup_label'));
});

test('the control database may have an encoding other than UTF-8', async (t) => {
  await sharedCluster();
  const db = await freshDatabase(t, undefined, { encoding: 'LATIN1', locale: 'C' });
  await installInto(db.url);
  await startWorkerProcess(t, { url: db.url });
  const client = await connect(t, db.url);
  const { id } = await startBackup(client, { label: 'Müllabfuhr' });
  t.regex(String((await completeBackup(client, id)).backup_label), /\nLABEL: Müllabfuhr\n/);
});
