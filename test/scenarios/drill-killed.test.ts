// Drills that are killed, interrupted or run at once: what one leaves, the next one ends and removes, and nothing else.
import { mkdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { thisProcess } from '../../src/system/process-identity.ts';
import { untilGone } from '../../dev/embedded/processes.ts';
import { dataIn, drills } from '../support/drills.ts';
import { eventually } from '../support/eventually.ts';
import { noRestore } from '../support/restored-copy.ts';
import { onBehalfOf, repositoryScene } from '../support/repository-scene.ts';
import { shared } from '../support/shared.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(
  noRestore ?? (process.platform === 'linux' ? undefined : 'only Linux says what a process works on'),
).serial;

/** With a backup, of which all drills are. */
const sharedScene = shared(import.meta.url, async (t) => {
  const scene = await repositoryScene(t);
  await scene.backup();
  return scene;
});

/** The postmaster of a drill's server. */
async function postmaster(data: string): Promise<number> {
  return eventually('its server runs', async () => {
    const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '');
    return Number.parseInt(text, 10) || undefined;
  });
}

for (const [phase, pattern, hasServer] of [
  ['restoring', /^restoring /m, false],
  ['recovering', /^recovering /m, true],
  ['checking', /^checking assertion/m, true],
] as const) {
  test(`a drill killed while it is ${phase} leaves what the next one ends and removes`, async (t) => {
    const scene = onBehalfOf(t, await sharedScene());
    const drill = await drills(t, scene);
    const file = join(await temporaryDirectory(t), 'assertions.sql');
    await writeFile(file, '-- name: it waits\nselect pg_sleep(1000) is null');

    const running = await drill.start('--assertions', file);
    await running.untilLine(pattern);
    const [name = ''] = await drill.left();
    const server = hasServer ? await postmaster(dataIn(drill.directory, name)) : undefined;
    running.kill('SIGKILL');
    await running.exited;
    t.deepEqual(await drill.left(), [name]);

    const { status, stderr } = await drill.run();
    t.is(status, 0, stderr);
    t.regex(stderr, /removed what a drill that was killed had left: ".*holdfast-drill-/);
    if (server !== undefined) {
      t.true(stderr.includes(`ended its server (process ${server})`), stderr);
      await untilGone([server]);
    }
    t.deepEqual(await drill.left(), []);
  });
}

test('a worker removes what a killed drill left, when it starts', async (t) => {
  const scene = onBehalfOf(t, await sharedScene());
  const drill = await drills(t, scene);
  const running = await drill.start();
  await running.untilLine(/^recovering /);
  const [name = ''] = await drill.left();
  const server = await postmaster(dataIn(drill.directory, name));
  running.kill('SIGKILL');
  await running.exited;
  const worker = await scene.startWorker({
    env: { HOLDFAST_CLUSTER_MAIN_DRILL_DIRECTORY: drill.directory, HOLDFAST_REPOSITORY: scene.repository },
  });
  await worker.untilLine(/removed what a drill that was killed had left/);
  await untilGone([server]);
  t.deepEqual(await drill.left(), []);
});

test('an interrupted drill ends its server and removes everything before it ends', async (t) => {
  const scene = onBehalfOf(t, await sharedScene());
  const drill = await drills(t, scene);
  const file = join(await temporaryDirectory(t), 'assertions.sql');
  await writeFile(file, '-- name: it waits\nselect pg_sleep(1000) is null');
  const recorded = 'select count(*)::int from holdfast.backup_drill';
  const before = await scene.admin.value(recorded);
  const running = await drill.start('--assertions', file);
  await running.untilLine(/^checking assertion/);
  const [name = ''] = await drill.left();
  const server = await postmaster(dataIn(drill.directory, name));
  running.kill('SIGINT');
  const { status, stderr } = await running.exited;
  t.is(status, 1);
  t.regex(stderr, /interrupted/);
  await untilGone([server]);
  t.deepEqual(await drill.left(), []);
  t.is(await scene.admin.value(recorded), before);
});

test('a drill that takes too long is ended, and has failed', async (t) => {
  const scene = onBehalfOf(t, await sharedScene());
  const drill = await drills(t, scene);
  const file = join(await temporaryDirectory(t), 'assertions.sql');
  await writeFile(file, '-- name: it waits\nselect pg_sleep(1000) is null');
  const { status, result } = await drill.run('--assertions', file, '--timeout', '20s');
  t.is(status, 1);
  t.is(result.error?.code, 'drill_timeout');
  t.deepEqual(await drill.left(), []);
});

test('two drills at once do not disturb each other, nor does one disturb what only looks like one', async (t) => {
  const scene = onBehalfOf(t, await sharedScene());
  const drill = await drills(t, scene);
  // Named like a drill's, without a word of whose; and one whose data is a link to a server at work.
  const nobodys = join(drill.directory, 'holdfast-drill-00000000');
  await mkdir(nobodys);
  await writeFile(join(nobodys, 'precious'), '');
  const linked = join(drill.directory, 'holdfast-drill-00000001');
  await mkdir(linked);
  const elsewhere = { ...thisProcess(), host: 'another-host', boot: 'another boot' };
  const owner = { kind: 'holdfast drill', process: elsewhere, locked: true, createdAt: '', expected: 0 };
  await writeFile(join(linked, 'owner.json'), JSON.stringify(owner));
  await symlink(String(scene.cluster.dataDirectory), join(linked, 'data'));

  const both = await Promise.all([drill.run(), drill.run('--target-immediate')]);
  for (const { status, stderr, result } of both) t.is(status, 0, stderr + JSON.stringify(result.error));
  t.deepEqual(await drill.left(), ['holdfast-drill-00000000', 'holdfast-drill-00000001']);

  // The same, and its host is ours: it is removed, and the server that the link leads to is not touched.
  const gone = { ...thisProcess(), boot: 'the one before' };
  await writeFile(join(linked, 'owner.json'), JSON.stringify({ ...owner, process: gone }));
  t.is((await drill.run('--target-immediate')).status, 0);
  t.deepEqual(await drill.left(), ['holdfast-drill-00000000']);
  t.is(await scene.admin.value('select 1'), 1);
  t.truthy(await readFile(join(String(scene.cluster.dataDirectory), 'PG_VERSION'), 'utf8'));
  await t.throwsAsync(readlink(join(linked, 'data')));
});
