// Point-in-time recovery with `holdfast restore`: every kind of target, with what is before and after it.
import { noRestore } from '../support/restored-copy.ts';
import { repositoryScene } from '../support/repository-scene.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore).serial;
const promote = ['--target-action', 'promote'];
const kept = 'select array_agg(n order by n)::text from kept';

test('a restore goes to each side of a commit, to an LSN, a transaction, a named point, or no further than the backup', async (t) => {
  const { admin, archiveAll, backup, now, started } = await repositoryScene(t);
  await admin.query('create table kept (n int)');
  await admin.query('insert into kept values (1)');
  await backup();
  const xid = await admin.value<string>('with i as (insert into kept values (2)) select txid_current()');
  const between = await now();
  await admin.query('insert into kept values (3)');
  const after = await now();
  const lsn = await admin.value<string>('select pg_current_wal_lsn()::text');
  await admin.query('insert into kept values (4)');
  await admin.query(`select pg_create_restore_point('four')`);
  await admin.query('insert into kept values (5)');
  await archiveAll();

  const reached = async (...target: string[]) => {
    const { client, cluster } = await started(...target, '--no-archiving');
    const found = await client.value(kept);
    await cluster.stop('immediate');
    return found;
  };
  t.is(await reached('--target-immediate', ...promote), '{1}');
  t.is(await reached('--target-time', between, ...promote), '{1,2}');
  t.is(await reached('--target-time', after, ...promote), '{1,2,3}');
  t.is(await reached('--target-xid', xid, ...promote), '{1,2}');
  t.is(await reached('--target-xid', xid, '--target-exclusive', ...promote), '{1}');
  t.is(await reached('--target-lsn', lsn, ...promote), '{1,2,3}');
  t.is(await reached('--target-name', 'four', ...promote), '{1,2,3,4}');
  t.is(await reached(), '{1,2,3,4,5}');
});
