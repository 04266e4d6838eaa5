// Point-in-time recovery with `holdfast restore`: every kind of target, with what is before and after it.
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { noRestore } from '../support/restored-copy.ts';
import { repositoryScene } from '../support/repository-scene.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore).serial;
const promote = ['--target-action', 'promote'];
const kept = 'select array_agg(n order by n)::text from kept';

test('a restore goes to each side of a commit, to an LSN, a transaction, a named point, or no further than the backup', async (t) => {
  const { admin, archiveAll, backup, now, restore, started } = await repositoryScene(t);
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

  const to = join(await temporaryDirectory(t), 'data');
  const planned = await restore(to, '--dry-run', '--target-name', 'four');
  t.is(planned.status, 0, planned.stderr);
  t.regex(
    planned.stdout,
    /^backup \S+ of cluster main would be restored to "?\/.*\/data"?: \d+ files, [\d.]+ MB\nrecovery goes to restore point four on timeline 1, and reads WAL from [0-9A-F]{24} on\nonce it is open, it archives .*--no-archiving\nnothing was written/,
  );
  t.false(existsSync(to));
  await writeFile(to, '');
  const refused = await restore(to, '--dry-run');
  t.deepEqual([refused.status, refused.stdout], [1, '']);

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
