// pg_backup_stop itself is interrupted: the session that runs it is terminated, or its worker is killed. The server
// has noted the backup in its history file by then, and nothing is lost.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import {
  historyFileName,
  holdHistoryFile,
  labelFrom,
  type HeldHistoryFile,
} from '../support/backup-history.ts';
import { isConnected } from '../support/backups.ts';
import { noServerFiles } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import type { WorkerProcess } from '../support/process.ts';
import { finish, request } from '../support/requests.ts';
import { sceneOfItsOwn, type Scene } from '../support/scene.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noServerFiles);

interface StoppingBackup {
  id: string;
  pid: number | null;
  historyFile: string;
  history: HeldHistoryFile;
  worker: WorkerProcess;
}

test('a session terminated in pg_backup_stop costs no label', async (t) => {
  const it = await sceneOfItsOwn(t);
  const { id, pid, worker, history, historyFile } = await stoppingBackup(t, it);
  worker.kill('SIGSTOP');
  await it.admin.query('select pg_terminate_backend($1)', [pid]);
  await history.release();
  await eventually('the session has ended', async () => !(await isConnected(it.admin, pid)));
  worker.kill('SIGCONT');

  await it.db.cluster.archiving.recover();
  const row = await it.untilState(id, 'complete', { within: 10_000 });
  t.is(row.backup_label, String(labelFrom(await readFile(historyFile))));
});

test('a worker killed in pg_backup_stop costs no label', async (t) => {
  const it = await sceneOfItsOwn(t);
  const { id, pid, worker, history, historyFile } = await stoppingBackup(t, it);
  const second = await it.startWorker();
  worker.kill('SIGKILL');
  await worker.exited;

  await second.untilLine(/ending the session that a dead worker left busy/);
  t.like(await it.status(id), { state: 'done', session: 'orphaned' });
  second.kill('SIGSTOP');
  await history.release();
  await eventually('the session has ended', async () => !(await isConnected(it.admin, pid)));
  second.kill('SIGCONT');

  await it.db.cluster.archiving.recover();
  const row = await it.untilState(id, 'complete', { within: 10_000 });
  t.is(row.backup_label, String(labelFrom(await readFile(historyFile))));
  t.true(row.warnings.some((warning) => warning.includes('rebuilt from the backup history file')));
});

/** Its worker waits for the server to write the history file. */
async function stoppingBackup(t: ExecutionContext, it: Scene): Promise<StoppingBackup> {
  const { dataDirectory = '' } = it.db.cluster;
  const worker = await it.startWorker();
  const id = await request(it.client, { fast: true });
  const running = await it.untilState(id, 'running');
  await it.db.cluster.archiving.fail();
  const name = await historyFileName(it.admin, running);
  const history = await holdHistoryFile(dataDirectory, name);

  await finish(it.client, id);
  await eventually('the session is in pg_backup_stop', () =>
    it.admin.value(
      `select state = 'active' and query ~ 'pg_(backup_stop|stop_backup)' from pg_stat_activity where pid = $1`,
      [running.pid],
    ),
  );
  t.is((await it.row(id)).state, 'done');
  return { id, pid: running.pid, historyFile: join(dataDirectory, 'pg_wal', name), history, worker };
}
