// Point-in-time recovery with `holdfast restore`: every kind of target, with what is before and after it.
import { eventually } from '../support/eventually.ts';
import { holdfast } from '../support/process.ts';
import { noRestore } from '../support/restored-copy.ts';
import { repositoryScene } from '../support/repository-scene.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore).serial;
const promote = ['--target-action', 'promote', '--no-archiving'];
const kept = 'select array_agg(n order by n)::text from kept';

test('a restore goes to a time between two commits, and to each side of it', async (t) => {
  const { admin, archiveAll, backup, now, started } = await repositoryScene(t);
  await admin.query('create table kept (n int)');
  await backup();
  await admin.query('insert into kept values (1)');
  const between = await now();
  await admin.query('insert into kept values (2)');
  const after = await now();
  await admin.query('insert into kept values (3)');
  await archiveAll();

  const before = await started('--target-time', between, ...promote);
  t.is(await before.client.value(kept), '{1}');
  const later = await started('--target-time', after, ...promote);
  t.is(await later.client.value(kept), '{1,2}');
  const latest = await started('--no-archiving');
  t.is(await latest.client.value(kept), '{1,2,3}');
});

test('a restore goes to an LSN, a transaction, a named point, or no further than the backup', async (t) => {
  const { admin, archiveAll, backup, started } = await repositoryScene(t);
  await admin.query('create table kept (n int)');
  await admin.query('insert into kept values (1)');
  await backup();
  const xid = await admin.value<string>('with i as (insert into kept values (2)) select txid_current()');
  await admin.query('insert into kept values (3)');
  const lsn = await admin.value<string>('select pg_current_wal_lsn()::text');
  await admin.query('insert into kept values (4)');
  await admin.query(`select pg_create_restore_point('four')`);
  await admin.query('insert into kept values (5)');
  await archiveAll();

  const reached = async (...target: string[]) => {
    const { client, cluster } = await started(...target, ...promote);
    const found = await client.value(kept);
    await cluster.stop('immediate');
    return found;
  };
  t.is(await reached('--target-immediate'), '{1}');
  t.is(await reached('--target-xid', xid), '{1,2}');
  t.is(await reached('--target-xid', xid, '--target-exclusive'), '{1}');
  t.is(await reached('--target-lsn', lsn), '{1,2,3}');
  t.is(await reached('--target-name', 'four'), '{1,2,3,4}');
});

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
