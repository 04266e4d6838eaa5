// The history of a timeline is damaged in the archive: neither a restore nor a server goes where it seems to lead.
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createCluster, type Major } from '../../dev/embedded/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { repositoryScene } from '../support/repository-scene.ts';
import { noRestore } from '../support/restored-copy.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore).serial;

test('a restore to that timeline is refused, and a server that was restored before does not start on any', async (t) => {
  const scene = await repositoryScene(t);
  const { admin, now, started, restored, restore, archiveAll, directory } = scene;
  await admin.query('create table kept (n int)');
  await scene.backup();
  const moment = await now();
  await admin.query('insert into kept values (99)');
  await archiveAll();
  const second = await started('--target-time', moment, '--target-action', 'promote');
  await second.client.query('insert into kept values (2)');
  await archiveAll(second.client);
  const history = join(directory, 'wal', '00000002.history');
  await eventually('its history is archived', () => existsSync(history));
  await second.cluster.stop();

  const whole = await readFile(history, 'utf8');
  const target = await restored('--target-timeline', '2');
  const empty = await createCluster({ version: scene.cluster.version as Major, empty: true });
  t.teardown(() => empty.remove());
  for (const damaged of [whole.slice(0, 6), whole.replace('\t', 'I'), whole.trimEnd(), '']) {
    await writeFile(history, damaged);
    const refused = await restore(empty.dataDirectory, '--target-timeline', '2');
    t.is(refused.status, 1, JSON.stringify(damaged));
    t.true(refused.stderr.startsWith(`holdfast: "${history}" is damaged: `), refused.stderr);
  }

  await t.throwsAsync(target.start());
  const log = await readFile(target.logFile, 'utf8');
  t.true(log.includes(`holdfast: "${history}" is damaged: it names no timeline`), log);
  t.false(log.includes('selected new timeline ID'), log);

  await writeFile(history, whole);
  await target.start();
  const client = await connect(t, target.url({ database: scene.db.name }));
  await eventually('it is a primary', () => client.value('select not pg_is_in_recovery()'));
  t.deepEqual(await client.query('select n from kept'), [{ n: 2 }]);
});
