// A tablespace that was created after the backup: recovery would take over the files of the cluster on this host.
import { existsSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { eventually } from '../support/eventually.ts';
import { holdfast } from '../support/process.ts';
import { noRestore } from '../support/restored-copy.ts';
import { repositoryScene, type RepositoryScene } from '../support/repository-scene.ts';
import { connect } from '../support/sql-client.ts';
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

test('a recovery ends before it takes over a tablespace that was created after its restore, and goes on once that is gone', async (t) => {
  const scene = await repositoryScene(t);
  const { admin } = scene;
  await admin.query('create table kept as select generate_series(1, 1000) n');
  await scene.backup();
  const copy = await scene.restored('--no-archiving');
  const standby = await scene.restored('--as-standby', '--target-timeline', '1');
  for (let segments = 0; segments < 3; segments += 1) await scene.archiveAll();
  await admin.query('insert into kept values (1001)');
  await createTablespace(scene);

  await t.throwsAsync(copy.start());
  const log = await readFile(copy.logFile, 'utf8');
  t.regex(
    log,
    /holdfast: recovery would take over the files of another server: tablespace \d+ was created in ".*disk2" at/,
  );
  const [, lsn = ''] =
    /hint: restore again and stop before it: --target-lsn (\S+) --target-exclusive/.exec(log) ?? [];
  t.not(lsn, '');
  t.regex(log, /FATAL: .*could not restore file/);

  // It is told so, too, and waits for its primary, or for an operator.
  await standby.start();
  const said = () =>
    readFile(standby.logFile, 'utf8').then((text) => text.includes('would take over the files'));
  await eventually('the standby says so', said, { within: 60_000 });
  t.deepEqual(await readdir(join(copy.dataDirectory, 'pg_tblspc')), []);
  t.deepEqual(await readdir(join(standby.dataDirectory, 'pg_tblspc')), []);
  t.is(await admin.value('select count(*)::int from far'), 1000);

  await admin.query('drop table far');
  await admin.query('drop tablespace disk2');
  await scene.archiveAll();
  for (const { cluster, promote } of [
    { cluster: copy, promote: false },
    { cluster: standby, promote: true },
  ]) {
    if (!promote) await cluster.start();
    const client = await connect(t, cluster.url({ database: scene.db.name }));
    const hasRow = () => client.value<boolean>('select exists (select from kept where n = 1001)');
    await eventually('it has gone on', hasRow, { within: 120_000 });
    if (promote) await client.query('select pg_promote(true, 120)');
    const isOpen = () => client.value<boolean>('select not pg_is_in_recovery()');
    await eventually('it is open', isOpen, { within: 120_000 });
    const settings = await readFile(join(cluster.dataDirectory, 'postgresql.auto.conf'), 'utf8');
    t.regex(settings, /^recovery_target_timeline = 'latest'$/m);
    t.notRegex(settings, /HOLDFAST_(LOOKED_TO|LEASE)/);
  }
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
  t.regex(placed.stdout, /looked through for tablespaces that recovery creates: the WAL up to where it ends/);
  t.true(existsSync(label));
  const settings = await readFile(join(copy, 'postgresql.auto.conf'), 'utf8');
  t.true(settings.endsWith(`\nrecovery_target_lsn = '${lsn}'\n`), settings);
  t.regex(settings, /\n#recovery_target_time = '.+'\n/);
  t.regex(settings, /\nrecovery_target_inclusive = 'off'\n/);
}
