// "wal push" ends with 0 only when what it archived would survive a power cut: PostgreSQL removes its own then.
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { powerCut, type PowerCut } from '../support/power-cut.ts';
import { noStrace, startTraced } from '../support/system-calls.ts';
import { testWhen } from '../support/test-when.ts';
import { segment1, walScene, type Scene } from '../support/wal.ts';
import { program } from '../support/programs.ts';

const test = testWhen(noStrace);
const history = '00000002.history';
const names = [segment1, `${segment1}.00000028.backup`, history];

for (const name of names) {
  test(`the first push to a repository leaves nothing to lose, of ${name}`, async (t) => {
    const scene = await sceneWith(t, name);
    const { status, cut } = await tracedPush(t, scene, name);
    t.is(status, 0);
    t.deepEqual([cut.lost, cut.namedTooEarly], [[], []]);
    t.true(cut.isSynced(scene.archived(name)));
  });

  test(`a push of what is there already makes sure that it lasts, whoever wrote it, of ${name}`, async (t) => {
    const scene = await sceneWith(t, name);
    t.is((await scene.push(name)).status, 0);
    const { status, cut } = await tracedPush(t, scene, name);
    t.is(status, 0);
    t.true(cut.isSynced(scene.archived(name)));
    t.true(cut.isSynced(dirname(scene.archived(name))), 'its directory is new');
  });
}

test('a push into a directory that is there leaves nothing to lose', async (t) => {
  const scene = await sceneWith(t, segment1);
  t.is((await scene.push(segment1)).status, 0);
  await rm(scene.archived(segment1));
  const { status, cut } = await tracedPush(t, scene, segment1);
  t.is(status, 0);
  t.deepEqual([cut.lost, cut.namedTooEarly], [[], []]);
  t.true(cut.isSynced(scene.archived(segment1)));
});

test('what a push archives besides, for pushes to come, has a receipt only when it lasts', async (t) => {
  const scene = await sceneWith(t, segment1);
  const waiting = ['2', '3', '4'].map((n) => `00000001000000000000000${n}`);
  const status = join(scene.dataDirectory, 'pg_wal', 'archive_status');
  await mkdir(status);
  for (const name of waiting) await scene.wal(name);
  for (const name of [segment1, ...waiting]) await writeFile(join(status, `${name}.ready`), '');
  const pushed = await tracedPush(t, scene, segment1);
  t.is(pushed.status, 0);
  t.deepEqual([pushed.cut.lost, pushed.cut.namedTooEarly], [[], []]);
  // How many that are is a matter of time.
  const receipts = await readdir(join(scene.dataDirectory, 'pg_wal', 'pgsql_tmp.holdfast.push'));
  const besides = waiting.filter((name) => receipts.includes(name));
  t.true(besides.length > 0);
  for (const name of besides) {
    const cut = await pushed.until(new RegExp(`^"[^"]*holdfast.push/new\\.${name}~[^"]*", "`));
    t.deepEqual([cut.lost.filter((path) => path.includes(name)), cut.namedTooEarly], [[], []]);
    t.true(cut.isSynced(scene.archived(name)), name);
  }
});

async function sceneWith(t: ExecutionContext, name: string): Promise<Scene> {
  const scene = await walScene(t);
  const text = Buffer.from('1\t0/3000000\tno recovery target specified\n');
  await scene.wal(name, name === segment1 ? {} : text);
  return scene;
}

interface TracedPush {
  status: number | null;
  /** Of the repository, when the push had ended. */
  cut: PowerCut;
  /** When it began the call with these arguments. */
  until: (args: RegExp) => Promise<PowerCut>;
}

async function tracedPush(
  t: ExecutionContext,
  { dataDirectory, repository }: Scene,
  name: string,
): Promise<TracedPush> {
  const push = await startTraced(t, process.execPath, [program, 'wal', 'push', `pg_wal/${name}`], {
    cwd: dataDirectory,
    env: { PATH: process.env['PATH'], HOLDFAST_REPOSITORY: repository },
  });
  const { status, stderr } = await push.exited;
  t.is(stderr, '');
  const calls = await push.calls();
  return {
    status,
    cut: powerCut(calls, repository),
    async until(args) {
      const begins = calls.find((call) => args.test(call.args))?.begins ?? t.fail(`no call ${String(args)}`);
      return powerCut(
        calls.filter(({ ends }) => ends < begins),
        repository,
      );
    },
  };
}
