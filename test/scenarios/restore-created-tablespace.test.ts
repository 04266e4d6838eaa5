// A tablespace that was created after the backup: recovery would take over the files of the cluster on this host.
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { holdfast } from '../support/process.ts';
import { noRestore } from '../support/restored-copy.ts';
import { repositoryScene, type RepositoryScene } from '../support/repository-scene.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore).serial;

async function createTablespace(scene: RepositoryScene): Promise<void> {
  const disk2 = await scene.cluster.serverDirectory('disk2');
  await scene.admin.query(`create tablespace disk2 location '${disk2}'`);
  await scene.admin.query('create table far (n) tablespace disk2 as select generate_series(1, 1000)');
  await scene.archiveAll();
}

test('a restore past a tablespace that the cluster has created since is refused before anything is written', async (t) => {
  const scene = await repositoryScene(t);
  await scene.admin.query('create table kept as select generate_series(1, 1000) n');
  const backup = await scene.backup();
  const before = await scene.now();
  await scene.admin.query('insert into kept values (1001)');
  await createTablespace(scene);
  const to = join(await temporaryDirectory(t), 'data');

  const { status, stderr } = await scene.restore(to);
  t.is(status, 1);
  t.regex(
    stderr,
    /tablespace \d+ was created in ".*disk2" at 0\/[0-9A-F]+ \(after .*\), since the backup began/,
  );
  t.false(existsSync(to));
  const standby = await scene.restore(to, '--as-standby');
  t.is(standby.status, 1);
  t.notRegex(standby.stderr, /--target-lsn/);
  // A place that is taken is not a matter of belief.
  t.is((await scene.restore(to, '--tablespaces-as-they-were')).status, 1);
  t.is((await scene.restore(to, '--target-time', before)).status, 0);
  await refusedByPlace(t, scene, { directory: backup.directory, copy: to });

  const [, lsn = ''] = /--target-lsn (\S+) --target-exclusive/.exec(stderr) ?? [];
  const promote = ['--target-action', 'promote', '--no-archiving'];
  const { client } = await scene.started('--target-lsn', lsn, '--target-exclusive', ...promote);
  t.is(await client.value('select count(*)::int from kept'), 1001);
  t.is(await client.value(`select count(*)::int from pg_tablespace where spcname = 'disk2'`), 0);
  t.is(await scene.admin.value('select count(*)::int from far'), 1000);
});

/** Whoever restores by other means is told as well, before the label is there. */
async function refusedByPlace(
  t: ExecutionContext,
  { repository }: RepositoryScene,
  { directory, copy }: { directory: string; copy: string },
): Promise<void> {
  const label = join(copy, 'backup_label');
  await rm(label);
  const args = ['place', directory, '--data-directory', copy, '--repository', repository];
  const refused = await holdfast(args);
  t.is(refused.status, 1);
  t.regex(refused.stderr, /recovery would take over the files of another server: tablespace \d+ /);
  t.false(existsSync(label));
  const [, lsn = ''] = /--stop-before (\S+),/.exec(refused.stderr) ?? [];
  const placed = await holdfast([...args, '--stop-before', lsn]);
  t.is(placed.status, 0, placed.stderr);
  t.true(existsSync(label));
  const settings = await readFile(join(copy, 'postgresql.auto.conf'), 'utf8');
  t.true(settings.endsWith(`\nrecovery_target_lsn = '${lsn}'\n`), settings);
  t.regex(settings, /\n#recovery_target_time = '.+'\n/);
  t.regex(settings, /\nrecovery_target_inclusive = 'off'\n/);
}
