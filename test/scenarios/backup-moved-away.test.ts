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
  const monitored = (status: number, pattern: RegExp) =>
    eventually(
      `check says ${pattern}`,
      async () => {
        const said = await holdfast(['check'], { url: scene.workerLogin.url });
        return said.status === status && pattern.test(said.stdout);
      },
      { within: 60_000, every: 1000 },
    );
  await monitored(0, /HOLDFAST OK/);
  const elsewhere = join(dirname(dirname(directory)), 'moved');
  await rename(directory, elsewhere);
  await monitored(2, /backup 1 is complete and has not expired, but is not in the repository/);
  t.regex((await holdfast(['status'], { url: scene.workerLogin.url })).stdout, /not in the repository/);
  // Another backup with that id, such as one of a copy of this control database, hides nothing.
  const file = join(`${directory}.meta`, 'backup.json');
  const bytes = await readFile(file);
  await rename(elsewhere, directory);
  await writeFile(file, formatRepositoryBackup({ ...parseRepositoryBackup(file, bytes), timeline: 7 }));
  await monitored(2, /backup 1 is complete and has not expired, but is not in the repository/);
  await writeFile(file, bytes);
  await monitored(0, /HOLDFAST OK/);
});
