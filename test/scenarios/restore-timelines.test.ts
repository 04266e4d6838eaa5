// A cluster that was restored twice: `holdfast restore` finds the way through three timelines.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import { noRestore } from '../support/restored-copy.ts';
import { repositoryScene } from '../support/repository-scene.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore).serial;
const kept = 'select array_agg(n order by n)::text from kept';
const promote = ['--target-action', 'promote'];

test('a restore goes across two timeline switches, to each side of a moment there, and back to the first timeline', async (t) => {
  const scene = await repositoryScene(t);
  const { admin, now, started, archiveAll, directory } = scene;
  await admin.query('create table kept (n int)');
  await scene.backup();
  await admin.query('insert into kept values (1)');
  const first = await now();
  await admin.query('insert into kept values (2)');
  const abandoned = await now();
  await admin.query('insert into kept values (99)');
  await archiveAll();

  // Restored servers archive into the same repository, as they would in earnest.
  const second = await started('--target-time', first, ...promote);
  t.is(await second.client.value(kept), '{1}');
  await second.client.query('insert into kept values (3)');
  const onSecond = await now(second.client);
  await second.client.query('insert into kept values (4)');
  await archiveAll(second.client);
  await eventually('its history is archived', () => existsSync(join(directory, 'wal/00000002.history')));
  await second.cluster.stop();

  const third = await started('--target-time', onSecond, ...promote);
  t.is(await third.client.value(kept), '{1,3}');
  await third.client.query('insert into kept values (5)');
  const onThird = await now(third.client);
  await third.client.query('insert into kept values (6)');
  const afterwards = await now(third.client);
  await third.client.query('insert into kept values (7)');
  await archiveAll(third.client);
  await eventually('its history is archived', () => existsSync(join(directory, 'wal/00000003.history')));
  await third.cluster.stop();
  t.regex(await readFile(join(directory, 'wal/00000003.history'), 'utf8'), /^1\t[^\n]*\n+2\t/);

  const reached = async (...args: string[]) => {
    const { client, cluster } = await started('--no-archiving', ...args);
    const found = await client.value(kept);
    await cluster.stop('immediate');
    return found;
  };
  t.is(await reached(), '{1,3,5,6,7}');
  // The commits of 5 and 6 are two switches away from the backup.
  t.is(await reached('--target-time', onThird, ...promote), '{1,3,5}');
  t.is(await reached('--target-time', afterwards, ...promote), '{1,3,5,6}');
  t.is(await reached('--target-timeline', '2'), '{1,3,4}');
  t.is(await reached('--target-timeline', '1'), '{1,2,99}');
  t.is(await reached('--target-timeline', 'current', '--target-time', abandoned, ...promote), '{1,2}');
});
