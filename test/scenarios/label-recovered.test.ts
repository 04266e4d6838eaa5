// A worker dies between pg_backup_stop and the write of its row: the label still exists, in the label directory, and
// in all but two lines in the server's backup history file.
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { asServerUser } from '../../dev/embedded/server-user.ts';
import { forgetHistoryFile, historyFileName, labelFrom } from '../support/backup-history.ts';
import { labelFiles, type Backup } from '../support/backups.ts';
import { noServerFiles } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { finish, request } from '../support/requests.ts';
import { sceneOfItsOwn, type Scene } from '../support/scene.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noServerFiles);
const nothingToRead = `[cluster.main]\ndata_directory = "/nonexistent"\n`;

test('a label in the label directory is found there', async (t) => {
  const it = await sceneWithTablespace(t);
  const { id, kept, labels } = await diesBetweenStopAndWrite(t, it);
  await it.startWorker({ env: { HOLDFAST_LABELS: labels }, config: nothingToRead });

  const row = await it.untilState(id, 'complete', { within: 10_000 });
  hasLabel(t, row, kept);
  t.true(row.warnings.some((warning) => warning.includes('found in the label directory')));
  t.is((await readdir(join(labels, 'main'))).length, 1);
});

test('a label is rebuilt, byte for byte, from the history file in the archive directory', async (t) => {
  const it = await sceneWithTablespace(t);
  const { id, kept } = await diesBetweenStopAndWrite(t, it);
  const { archiveDirectory = '', dataDirectory = '' } = it.db.cluster;
  const name = await historyFileName(it.admin, await it.row(id));
  const archived = join(archiveDirectory, name);
  const history = await eventually('the history file is archived', () =>
    readFile(archived).catch(() => undefined),
  );
  await forgetHistoryFile(dataDirectory, name);
  const second = await it.startWorker({
    config: `${nothingToRead}archive_directory = "${archiveDirectory}"\n`,
  });

  const row = await it.untilState(id, 'complete', { within: 10_000 });
  hasLabel(t, row, kept);
  t.deepEqual(labelFrom(history), kept.get('backup_label'));
  t.true(row.warnings.some((warning) => warning.includes('rebuilt from the backup history file')));

  const rebuilt = await labelFiles(second.labels, id);
  t.deepEqual(rebuilt?.get('backup_label'), kept.get('backup_label'));
  t.deepEqual(rebuilt?.get('tablespace_map'), kept.get('tablespace_map'));
});

test('a label is rebuilt from the data directory, where the worker can read that', async (t) => {
  const it = await sceneWithTablespace(t);
  const { id, kept } = await diesBetweenStopAndWrite(t, it);
  await it.startWorker();
  hasLabel(t, await it.untilState(id, 'complete', { within: 10_000 }), kept);
});

test('a label is rebuilt through pg_read_binary_file, where the worker may call it', async (t) => {
  const it = await sceneWithTablespace(t);
  await it.admin.query(
    `grant execute on function pg_read_binary_file(text, bigint, bigint, boolean) to ${it.workerLogin.role}`,
  );
  const { id, kept } = await diesBetweenStopAndWrite(t, it);
  await it.startWorker({ config: nothingToRead });
  hasLabel(t, await it.untilState(id, 'complete', { within: 10_000 }), kept);
});

test('where no history file can be read, the request has failed within five seconds', async (t) => {
  const it = await sceneWithTablespace(t);
  const { id } = await diesBetweenStopAndWrite(t, it);
  await it.startWorker({ config: nothingToRead });
  const row = await it.untilState(id, 'failed', { within: 5000 });
  t.is(row.error_code, 'worker_lost');
  t.is(row.backup_label, null);
});

/** With a tablespace whose path has to be escaped in tablespace_map. */
async function sceneWithTablespace(t: ExecutionContext): Promise<Scene> {
  const it = await sceneOfItsOwn(t);
  const directory = join(dirname(it.db.cluster.dataDirectory ?? ''), 'odd \\ name\n');
  await asServerUser.mkdir(directory).catch(() => mkdir(directory));
  await it.admin.query(`create tablespace odd location '${directory}'`);
  return it;
}

/** The requester has his own row locked, so that the label can be written into the label directory, and no further. */
async function diesBetweenStopAndWrite(
  t: ExecutionContext,
  it: Scene,
): Promise<{ id: string; kept: Map<string, Buffer>; labels: string }> {
  const worker = await it.startWorker();
  const id = await request(it.client, { fast: true });
  await it.untilState(id, 'running');
  worker.kill('SIGSTOP');
  await finish(it.client, id);
  const locker = await connect(t, it.client.url);
  await locker.query('begin');
  await locker.query('select from holdfast.backup_request where id = $1 for update', [id]);
  worker.kill('SIGCONT');

  const kept = await eventually('the label directory has the label', () => labelFiles(worker.labels, id));
  t.is((await it.row(id)).state, 'done');
  worker.kill('SIGKILL');
  await worker.exited;
  await locker.query('rollback');
  return { id, kept, labels: worker.labels };
}

function hasLabel(t: ExecutionContext, row: Backup, kept: Map<string, Buffer>): void {
  t.is(row.backup_label, String(kept.get('backup_label')));
  t.is(row.tablespace_map, String(kept.get('tablespace_map')));
  t.regex(String(row.tablespace_map), /odd .* name\\\n/);
}
