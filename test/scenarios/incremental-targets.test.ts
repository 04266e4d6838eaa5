// Point-in-time recovery that begins with an incremental copy: every kind of target, and which link it begins with.
import { basename, join } from 'node:path';
import { noIncrements } from '../support/chains.ts';
import { repositoryScene } from '../support/repository-scene.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noIncrements).serial;

test('a restore to any target begins with the newest link before it, and goes on from there', async (t) => {
  const { admin, archiveAll, backup, now, restore, restored, started } = await repositoryScene(t, {
    settings: { summarize_wal: 'on' },
  });
  const insert = (n: number) => admin.query(`insert into kept values (${n})`);
  await admin.query('create table kept (n int)');
  const links = [await backup()];
  await insert(1);
  links.push(await backup({ incremental: true }));
  await insert(2);
  const between = await now();
  await insert(3);
  links.push(await backup({ incremental: true }));
  const xid = await admin.value<string>('with i as (insert into kept values (4)) select txid_current()');
  const lsn = await admin.value<string>('select pg_current_wal_lsn()::text');
  await insert(5);
  await admin.query(`select pg_create_restore_point('five')`);
  await insert(6);
  await archiveAll();

  const reached = async (...target: string[]) => {
    const { client, cluster } = await started(...target, '--no-archiving');
    const found = await client.value(`select array_agg(n order by n)::text from kept`);
    const began = await client.value(
      `select substring(pg_read_file('backup_label.old') from 'START WAL LOCATION: (\\S+)')`,
    );
    await cluster.stop('immediate');
    return [found, links.findIndex(({ description }) => description.startLsn === began)];
  };
  /** What a restore would begin with. */
  const begins = async (...target: string[]) => {
    const to = join(await temporaryDirectory(t), 'data');
    const { stdout } = await restore(to, '--dry-run', '--json', '--no-archiving', ...target);
    const { backup: name } = JSON.parse(stdout) as { backup: string };
    return links.findIndex((link) => basename(link.directory) === name);
  };
  const promote = ['--target-action', 'promote'];
  t.deepEqual(await reached('--target-time', between, ...promote), ['{1,2}', 1]);
  t.deepEqual(await reached(), ['{1,2,3,4,5,6}', 2]);
  for (const target of [
    ['--target-lsn', lsn],
    ['--target-name', 'five'],
  ])
    t.is(await begins(...target), 2);
  const third = String(links[2]?.description.id);
  t.deepEqual(await reached(third, '--target-xid', xid, ...promote), ['{1,2,3,4}', 2]);
  t.deepEqual(await reached(third, '--target-immediate', ...promote), ['{1,2,3}', 2]);
  const refused = await t.throwsAsync(restored(third, '--target-time', between, ...promote));
  t.regex(refused.message, /restore ended with 1: /);
});
