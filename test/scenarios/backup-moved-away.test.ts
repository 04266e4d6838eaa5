// Somebody moves a backup out of the repository, which the worker finds when it looks there.
import { readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import { holdfast } from '../support/process.ts';
import { repositoryScene } from '../support/repository-scene.ts';
import { noRestore } from '../support/restored-copy.ts';
import { formatRepositoryBackup, parseRepositoryBackup } from '../../src/repository/repository-backup.ts';
import { testWhen } from '../support/test-when.ts';
import { noChores } from '../support/chores.ts';

const test = testWhen(noRestore, noChores);

test('a backup that somebody has moved out of the repository is critical until it is back', async (t) => {
  const scene = await repositoryScene(t);
  const { directory } = await scene.backup();
  // The worker looks twice a minute, and a program that asks each second is dear.
  const monitored = async (missing: number, status: number, pattern: RegExp) => {
    const seen = () =>
      scene.admin.value<boolean>(`select count(*) = ${missing} from holdfast.missing_backup`);
    await eventually(`${missing} backups are missed`, seen, { within: 60_000 });
    const said = await holdfast(['check'], { url: scene.workerLogin.url });
    t.is(said.status, status, said.stdout);
    t.regex(said.stdout, pattern);
  };
  await eventually('the worker has seen the backup', () =>
    scene.admin.value<boolean>(
      'select count(*) = 1 from holdfast.restore_window where earliest_time is not null',
    ),
  );
  await monitored(0, 0, /HOLDFAST OK/);
  const elsewhere = join(dirname(dirname(directory)), 'moved');
  await rename(directory, elsewhere);
  await monitored(1, 2, /backup 1 is complete and has not expired, but is not in the repository/);
  t.regex((await holdfast(['status'], { url: scene.workerLogin.url })).stdout, /not in the repository/);
  // Another backup with that id, such as one of a copy of this control database, hides nothing.
  const file = join(`${directory}.meta`, 'backup.json');
  const bytes = await readFile(file);
  await rename(elsewhere, directory);
  await writeFile(file, formatRepositoryBackup({ ...parseRepositoryBackup(file, bytes), timeline: 7 }));
  await monitored(1, 2, /backup 1 is complete and has not expired, but is not in the repository/);
  await writeFile(file, bytes);
  await monitored(0, 0, /HOLDFAST OK/);
});
