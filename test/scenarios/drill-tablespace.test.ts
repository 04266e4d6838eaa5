// A tablespace that was created after the backup: replay would take over the cluster's own files, and a drill does not.
import { drills } from '../support/drills.ts';
import { repositoryScene, type RepositoryScene } from '../support/repository-scene.ts';
import { noRestore } from '../support/restored-copy.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore);

test('a drill replays up to a tablespace that was created since, and leaves the one of the cluster alone', async (t) => {
  const scene = await repositoryScene(t, { initdb: ['--wal-segsize=1'] });
  await scene.admin.query('create table kept as select g n, md5(g::text) t from generate_series(1, 1000) g');
  await scene.backup();
  await scene.admin.query('insert into kept select g, md5(g::text) from generate_series(1001, 50000) g');
  const drill = await drills(t, scene);
  const whole = await drill.run();
  t.is(whole.status, 0, whole.stderr);
  t.false(whole.result.checks.some(({ check }) => check === 'all WAL replayed'));

  await createTablespace(scene);
  const { status, stderr, result } = await drill.run();
  t.is(status, 0, stderr + JSON.stringify(result.error));
  const check = result.checks.find((one) => one.check === 'all WAL replayed');
  t.like(check, { ok: true, skipped: true });
  t.regex(String(check?.detail), /^not from 0\/[0-9A-F]+ on, where a tablespace was created in ".*disk2"$/);
  // A second server on the same files would have emptied what is unlogged.
  t.is(await scene.admin.value('select count(*)::int from far'), 1000);
  t.deepEqual(await drill.left(), []);
});

test('a target behind such a tablespace is not reached, and the reason is said', async (t) => {
  const scene = await repositoryScene(t);
  await scene.backup();
  await createTablespace(scene);
  const drill = await drills(t, scene);
  const { status, result } = await drill.run('--target-time', await scene.now());
  t.is(status, 1);
  t.is(result.error?.code, 'tablespace_created');
});

async function createTablespace(scene: RepositoryScene): Promise<void> {
  const disk2 = await scene.cluster.serverDirectory('disk2');
  await scene.admin.query(`create tablespace disk2 location '${disk2}'`);
  await scene.admin.query(
    'create unlogged table far (n) tablespace disk2 as select generate_series(1, 1000)',
  );
  await scene.admin.query('checkpoint');
  await scene.archiveAll();
}
