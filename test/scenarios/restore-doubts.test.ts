// What a restore would follow by mistake: an older timeline, a newer one that is an accident, a gap that is none.
import { existsSync } from 'node:fs';
import { readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import { holdfast } from '../support/process.ts';
import { noRestore } from '../support/restored-copy.ts';
import {
  onBehalfOf,
  repositoryScene,
  type RepositoryScene,
  type Started,
} from '../support/repository-scene.ts';
import { shared } from '../support/shared.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';
import type { ExecutionContext } from 'ava';

const test = testWhen(noRestore).serial;
const kept = 'select array_agg(n order by n)::text from kept';
const promote = ['--target-action', 'promote'];

test('a restore does not end on an older timeline because a history is missing: it names both and the option', async (t) => {
  const scene = await repositoryScene(t);
  const second = await branched(t, scene);
  await second.cluster.stop();
  const history = join(scene.directory, 'wal', '00000002.history');
  await rename(history, `${history}.away`);
  const refused = await refusal(t, scene);
  t.regex(refused, /has 00000002[0-9A-F]{16}, but not 00000002\.history: recovery would end on timeline 1/);
  t.regex(refused, /hint: archive 00000002\.history .*--target-timeline 1/);
  t.regex(await refusal(t, scene, '--target-timeline', '2'), /does not have 00000002\.history/);
  const to = join(await temporaryDirectory(t), 'data');
  const written = await scene.restore(to, '--target-timeline', '1');
  t.regex(written.stderr, /but not 00000002\.history: the restored server begins a timeline 2 of its own/);
  const latest = await realpath(join(scene.directory, 'latest'));
  const place = ['place', latest, '--data-directory', to, '--repository', scene.repository];
  const placing = (timeline: string) => holdfast([...place, '--target-timeline', timeline]);
  t.regex((await placing('latest')).stderr, /but not 00000002\.history: recovery would end on timeline 1/);
  t.regex((await placing('2')).stderr, /does not have 00000002\.history/);
  await writeFile(join(to, 'standby.signal'), '');
  const asStandby = await placing('2');
  t.is(asStandby.status, 0, `a standby may have it from its primary: ${asStandby.stderr}`);
  const first = await scene.started('--no-archiving', '--target-timeline', '1');
  t.is(await first.client.value(kept), '{1,99}');
  await rename(`${history}.away`, history);
  const both = await scene.started('--no-archiving');
  t.is(await both.client.value(kept), '{1,2}');
});

test('a newest timeline that is an accident is not followed, with or without an id; both are to be had by option', async (t) => {
  const scene = await repositoryScene(t);
  const { admin, archiveAll } = scene;
  const second = await branched(t, scene);
  await second.cluster.stop();
  await admin.query('insert into kept values (100)');
  await archiveAll();
  const byWal = await refusal(t, scene);
  t.regex(
    byWal,
    /timeline 2 is the newest, and does not have the newest data: it branched off at 0\/\w+, and 00000001/,
  );
  t.regex(byWal, /give --target-timeline 1 for timeline 1 .*--target-timeline 2/);

  const to = join(await temporaryDirectory(t), 'data');
  const { stdout, stderr } = await scene.restore(to, '--target-timeline', '1', '--no-archiving');
  t.regex(
    stderr,
    /another server has gone on from here .*: timeline 2, which left timeline 1 at .* begins timeline 3/,
  );
  t.regex(stdout, /it archives nothing: archive_mode is off/);

  const latest = await realpath(join(scene.directory, 'latest'));
  const place = ['place', latest, '--data-directory', to, '--repository', scene.repository];
  const refused = await holdfast([...place, '--target-timeline', 'latest']);
  t.is(refused.status, 1);
  t.regex(refused.stderr, /timeline 2 is the newest, and does not have .* give --target-timeline 1/s);
  // As the copy is configured.
  const placed = await holdfast([...place, '--stop-before', 'F/0']);
  t.is(placed.status, 0, placed.stderr);
  t.regex(
    placed.stderr,
    /^holdfast: warning: the archive ends with 0{7}1\w{16}, and no record in it begins at F\/0 or behind: PostgreSQL/,
  );
  const described = await readFile(`${latest}.meta/backup.json`, 'utf8');
  const { startLsn } = JSON.parse(described) as { startLsn: string };
  const early = await holdfast([...place, '--stop-before', startLsn]);
  t.is(early.status, 1);
  t.regex(
    early.stderr,
    /cannot reach that target: .*, before the backup ended at .*hint: give a place behind 0/s,
  );
  const settings = await readFile(join(to, 'postgresql.auto.conf'), 'utf8');
  t.regex(settings, /^recovery_target_timeline = '1'\nrecovery_target_inclusive = 'off'$/m);

  const { description } = await scene.backup();
  await archiveAll();
  t.regex(
    await refusal(t, scene),
    new RegExp(`backup ${description.id} of timeline 1, .* is not on its way`),
  );
  const named = await refusal(t, scene, String(description.id));
  t.regex(named, /hint: type --target-timeline current for the timeline 1 of that backup/);
  const reached = async (...args: string[]) => {
    const { client, cluster } = await scene.started('--no-archiving', ...args);
    const found = await client.value(kept);
    await cluster.stop('immediate');
    return found;
  };
  t.is(await reached('--target-timeline', '1'), '{1,99,100}');
  t.is(await reached(String(description.id), '--target-timeline', 'current'), '{1,99,100}');
  t.is(await reached('--target-timeline', '2'), '{1,2}');
});

/** With a backup that archiving may seem to have begun after. */
const sharedScene = shared(import.meta.url, async (t) => {
  const scene = await repositoryScene(t);
  await scene.admin.query('create table kept (n int)');
  return { ...scene, backedUp: await scene.backup() };
});

test('a backup that was made before archiving came is restored, across the segment that only it has', async (t) => {
  const scene = onBehalfOf(t, await sharedScene());
  const { admin, directory, archiveAll } = scene;
  const { description } = scene.backedUp;
  await admin.query('insert into kept values (1)');
  await archiveAll();
  // As if archiving had been turned on after the backup: its WAL is beside it only.
  for (let n = 1; ; n += 1) {
    const name = `000000010000000000000000`.slice(0, 22) + n.toString(16).toUpperCase().padStart(2, '0');
    if (name > description.stopWal) break;
    await rm(join(directory, 'wal', name.slice(0, 16), `${name}.zst`), { force: true });
  }
  const to = join(await temporaryDirectory(t), 'data');
  const { status, stdout, stderr } = await scene.restore(to);
  t.deepEqual([status, stderr], [0, '']);
  t.regex(stdout, /once it is open, it archives where the server did .*, as timeline 2: the other server/);
  const { client } = await scene.started('--no-archiving');
  t.is(await client.value(kept), '{1}');

  const opensAt = await eventually('a worker has seen the archive', () =>
    admin.value<string>(
      `select max(coalesce(restorable_from_lsn::text, 'nowhere')) from holdfast.archived_wal where start_wal > $1`,
      [description.stopWal],
    ),
  );
  t.is(opensAt, description.stopLsn, 'the window begins with that backup');
});

test('who accepts missing WAL gets the variable for it into restore_command', async (t) => {
  const scene = onBehalfOf(t, await sharedScene());
  await scene.archiveAll();
  const cluster = await scene.restored('--despite-missing-wal');
  const settings = await readFile(join(cluster.dataDirectory, 'postgresql.auto.conf'), 'utf8');
  t.regex(settings, /HOLDFAST_DESPITE_MISSING_WAL=1/);
});

/** Row 1 on both timelines, row 99 on the first, row 2 on the second, which a restored server has begun. */
async function branched(t: ExecutionContext, scene: RepositoryScene): Promise<Started> {
  const { admin, archiveAll, started, now, directory } = scene;
  await admin.query('create table kept (n int)');
  await scene.backup();
  await admin.query('insert into kept values (1)');
  const moment = await now();
  await admin.query('insert into kept values (99)');
  await archiveAll();
  const second = await started('--target-time', moment, ...promote);
  await second.client.query('insert into kept values (2)');
  await archiveAll(second.client);
  await eventually('its history is archived', () => existsSync(join(directory, 'wal/00000002.history')));
  t.is(await second.client.value(kept), '{1,2}');
  return second;
}

/** What `holdfast restore` says, which must write nothing. */
async function refusal(t: ExecutionContext, scene: RepositoryScene, ...args: string[]): Promise<string> {
  const to = join(await temporaryDirectory(t), 'data');
  const { status, stderr } = await holdfast([
    'restore',
    ...args,
    '--repository',
    scene.repository,
    '--to',
    to,
  ]);
  t.is(status, 1, stderr);
  t.false(existsSync(to));
  return stderr;
}
