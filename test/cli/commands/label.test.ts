import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { asRole, installedDatabase } from '../../support/installed-database.ts';
import { playWorker } from '../../support/played-worker.ts';
import { holdfast } from '../../support/process.ts';
import { requestIn } from '../../support/requests.ts';
import { connect } from '../../support/sql-client.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

test('the label of a backup that is not complete comes with a warning, its bytes as they are', async (t) => {
  const db = await installedDatabase(t);
  const worker = await playWorker(t, db);
  const id = await requestIn('archiving', await connect(t, db.url), worker, { label: 'nightly' });
  await worker.client.query(
    `update holdfast.backup_session set backup_label = '\\x4c20ff0a', tablespace_map = '\\x3120ff0a' where request_id = $1`,
    [id],
  );
  const to = join(await temporaryDirectory(t), 'label');
  const { url } = await asRole(t, db, 'reader');
  const { status, stdout, stderr } = await holdfast(['label', id, '--to', to], { url });
  t.is(status, 0);
  t.true(stdout.startsWith(`backup ${id} "nightly" of cluster main, from the control database\nwritten: `));
  t.regex(
    stderr,
    new RegExp(
      `^holdfast: warning: backup ${id} is archiving, not complete\n {2}hint: .* all WAL from 0+10+20 to 0+10+20 `,
    ),
  );
  t.deepEqual(await readFile(join(to, 'backup_label')), Buffer.from('L \xff\n', 'latin1'));
  t.deepEqual(await readFile(join(to, 'tablespace_map')), Buffer.from('1 \xff\n', 'latin1'));
});

test('a label that is nowhere is an error that says where it was looked for', async (t) => {
  const db = await installedDatabase(t);
  const labels = await temporaryDirectory(t);
  const { status, stderr } = await holdfast(['label', '7', '--to', join(labels, 'to'), '--json'], {
    url: db.url,
    env: { HOLDFAST_LABELS: labels },
  });
  t.is(status, 1);
  const { error } = JSON.parse(stderr) as { error: { code: string; message: string } };
  t.is(error.code, 'label_not_found');
  t.is(
    error.message,
    `no label of backup 7: the control database knows no backup 7, and neither "${labels}" nor "/var/lib/holdfast/repository" has an entry for it`,
  );
});
