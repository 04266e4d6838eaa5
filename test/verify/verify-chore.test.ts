// Chores of kind verify, of backups whose description somebody else may have written.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatRepositoryBackup, parseRepositoryBackup } from '../../src/repository/repository-backup.ts';
import { noChores, requestChore, untilChore } from '../support/chores.ts';
import { asRole } from '../support/installed-database.ts';
import { startWorkerProcess } from '../support/process.ts';
import { retentionStage } from '../support/retention-stage.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noChores);

test('the result is of the cluster that the chore was asked for, whatever cluster the description names', async (t) => {
  const stage = await retentionStage(t, { backups: 1 });
  await stage.superuser.query(`insert into holdfast.cluster (name) values ('other')`);
  const file = join(stage.directory, 'backups', `${stage.names[0]}.meta`, 'backup.json');
  const description = parseRepositoryBackup(file, await readFile(file));
  await writeFile(file, formatRepositoryBackup({ ...description, cluster: 'other' }));
  const { url } = await asRole(t, stage.db, 'worker');
  await startWorkerProcess(t, { url, env: { HOLDFAST_REPOSITORY: stage.repository } });
  await untilChore(stage.superuser, await requestChore(stage.operator, 'verify'), 'failed');
  const rows = await stage.superuser.query(
    'select cluster, request_id::text, ok from holdfast.backup_verification',
  );
  t.deepEqual(rows, [{ cluster: 'main', request_id: stage.ids[0], ok: false }]);
});
