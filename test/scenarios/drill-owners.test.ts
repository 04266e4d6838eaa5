// Whose a drill's directory is: a drill in another pid namespace is under way, and what another user has made is not ours.
import { chmod, chown, mkdir, readFile, readdir, readlink, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { thisProcess } from '../../src/system/process-identity.ts';
import { findScratches, removeAbandoned } from '../../src/drill/abandoned-drills.ts';
import { withScratch } from '../../src/drill/scratch.ts';
import { runProcess, startProcess } from '../../dev/harness/children.ts';
import { drillDirectoryOf, drills } from '../support/drills.ts';
import { noRestore } from '../support/restored-copy.ts';
import { repositoryScene } from '../support/repository-scene.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';
import { program } from '../support/programs.ts';

const isRoot = process.getuid?.() === 0;
const unshared = ['--pid', '--fork', '--kill-child', '--mount-proc'];
const { status: unshareStatus } = await runProcess('unshare', [...unshared, 'true']);
const noNamespaces = unshareStatus === 0 ? undefined : 'no pid namespace can be made here';
const onlyRoot = isRoot ? undefined : 'only root can be somebody else';

testWhen(noRestore ?? noNamespaces)(
  'a drill in another pid namespace is neither ended nor removed',
  async (t) => {
    const scene = await repositoryScene(t);
    await scene.backup();
    const drill = await drills(t, scene);
    const file = join(await temporaryDirectory(t), 'assertions.sql');
    await writeFile(file, '-- name: it waits\nselect pg_sleep(1000) is null');
    const lockFile = await readFile(join(String(scene.cluster.dataDirectory), 'postmaster.pid'), 'utf8');
    const programs = dirname(await readlink(`/proc/${Number.parseInt(lockFile, 10)}/exe`));
    const place = ['--repository', scene.repository, '--directory', drill.directory];
    const args = ['drill', ...place, '--assertions', file, '--pg-bin', programs];
    const far = await startProcess(t, 'unshare', [...unshared, process.execPath, program, ...args], {
      env: { ...process.env, DATABASE_URL: scene.workerLogin.url },
    });
    await far.untilLine(/^checking assertion/);
    const [name] = await drill.left();
    const { status, stderr } = await drill.run('--target-immediate');
    t.is(status, 0, stderr);
    t.false(stderr.includes('removed what'), stderr);
    t.deepEqual(await drill.left(), [name]);
    t.true((await stat(join(drill.directory, String(name), 'data/global/pg_control'))).isFile());

    far.kill('SIGKILL');
    await far.exited;
    const after = await drill.run('--target-immediate');
    t.regex(after.stderr, /removed what a drill that was killed had left/);
    t.deepEqual(await drill.left(), []);
  },
);

const what = { cluster: 'main', backup: 'a', expected: 1 };

testWhen()('a drill that runs is alive by its lock, and one whose lock is free is over', async (t) => {
  const place = await drillDirectoryOf(t);
  await withScratch(place, what, async ({ directory }) => {
    t.deepEqual(
      (await findScratches(place)).map((found) => [found.directory, found.alive]),
      [[directory, true]],
    );
    t.deepEqual(await removeAbandoned(place), []);
  });
  t.is((await removeAbandoned(place)).length, 1);
  t.deepEqual(await readdir(place), []);
});

testWhen(onlyRoot)(
  'what another user has made in a shared directory is not taken for a drill of ours',
  async (t) => {
    const place = await drillDirectoryOf(t);
    await chmod(place, 0o1777);
    const forged = join(place, 'holdfast-drill-00000000');
    await mkdir(forged);
    const owner = { kind: 'holdfast drill', process: { ...thisProcess(), pid: 2 ** 22 + 1 }, locked: false };
    const file = join(forged, 'owner.json');
    await writeFile(file, JSON.stringify({ ...owner, ...what, createdAt: '', expected: 2 ** 50 }));
    await chown(file, 65534, 65534);
    await chown(forged, 65534, 65534);
    t.deepEqual(await findScratches(place), []);
    t.deepEqual(await removeAbandoned(place), []);
    t.deepEqual(await readdir(place), ['holdfast-drill-00000000']);
    await chown(file, 0, 0);
    t.is((await removeAbandoned(place)).length, 1, 'the same, and its file is ours');
  },
);

testWhen(onlyRoot)(
  'root drills only where nobody else can put anything in place of what root makes',
  async (t) => {
    const refused = (place: string) =>
      t.throwsAsync(
        withScratch(place, what, () => Promise.resolve()),
        { code: 'drill_directory_unusable' },
      );
    const place = await drillDirectoryOf(t);
    await chown(place, 65534, 65534);
    t.regex((await refused(place)).message, /others than root could put something in place/);
    await chown(place, 0, 0);
    await chmod(place, 0o777);
    await refused(place);
    const below = join(place, 'below');
    await mkdir(below);
    await refused(below);
    await chmod(place, 0o1777);
    await t.notThrowsAsync(withScratch(below, what, ({ remove }) => remove()));
    t.deepEqual(await readdir(below), []);
  },
);
