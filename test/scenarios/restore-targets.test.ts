// Point-in-time recovery with `holdfast restore`: every kind of target, with what is before and after it.
import { setTimeout as sleep } from 'node:timers/promises';
import { noRestore } from '../support/restored-copy.ts';
import { repositoryScene } from '../support/repository-scene.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore);

test('a restore goes to a time between two commits a second apart, and to each side of it', async (t) => {
  const scene = await repositoryScene(t);
  const { client } = scene;
  await client.query('create table kept (n int)');
  await scene.backup();
  await client.query('insert into kept values (1)');
  await sleep(500);
  const between = await client.value<string>(
    `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US"+00"')`,
  );
  await sleep(500);
  await client.query('insert into kept values (2)');
  const after = await client.value<string>(
    `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US"+00"')`,
  );
  await client.query('insert into kept values (3)');
  await scene.archiveAll();
  const first = await scene.started('--target-time', between, '--target-action', 'promote');
  t.is(await first.client.value('select max(n) from kept'), 1);
  const second = await scene.started('--target-time', after, '--target-action', 'promote');
  t.is(await second.client.value('select max(n) from kept'), 2);
});
