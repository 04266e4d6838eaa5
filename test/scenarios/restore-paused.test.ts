// A restored server that is paused at its target.
import { eventually } from '../support/eventually.ts';
import { holdfast } from '../support/process.ts';
import { noRestore } from '../support/restored-copy.ts';
import { repositoryScene } from '../support/repository-scene.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore).serial;
const kept = 'select array_agg(n order by n)::text from kept';

test('paused at its target, a server can be looked at before it is opened, and every command says what opens it', async (t) => {
  const { admin, archiveAll, backup, db, now, started } = await repositoryScene(t);
  await admin.query('create table kept (n int)');
  await backup();
  await admin.query('insert into kept values (1)');
  const target = await now();
  await admin.query('insert into kept values (2)');
  await archiveAll();
  const { client, cluster } = await started('--target-time', target, '--target-action', 'pause');
  // It takes connections as soon as it is consistent, which is before.
  await eventually('it has paused', () => client.value('select pg_is_wal_replay_paused()'));
  t.is(await client.value(kept), '{1}');
  const url = cluster.url({ database: db.name });
  for (const args of [['adopt', '--yes'], ['start'], ['cancel', '1'], ['worker']]) {
    const { status, stdout, stderr } = await holdfast(args, { url });
    t.deepEqual([status, stdout], [1, ''], args.join(' '));
    t.regex(
      stderr,
      /takes no writes, as its server is in recovery that is paused.*\n {2}hint: type SELECT pg_wal_replay_resume/,
    );
  }
  await client.query('select pg_wal_replay_resume()');
  await eventually('it is a primary', () => client.value('select not pg_is_in_recovery()'));
});
