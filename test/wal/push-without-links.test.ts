// Repositories on file systems without hard links, or where a directory cannot be synced, as strace plays them.
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { runProcess } from '../../dev/harness/children.ts';
import { noStrace } from '../support/system-calls.ts';
import { testWhen } from '../support/test-when.ts';
import { segment1, walScene, type Scene } from '../support/wal.ts';
import { sameBytes } from '../support/same-bytes.ts';
import { program } from '../support/programs.ts';

const test = testWhen(noStrace);

const noLinks = ['-e', 'inject=link,linkat:error=EPERM'];

function push(scene: Scene, options: string[]) {
  const command = [process.execPath, program, 'wal', 'push', `pg_wal/${segment1}`];
  return runProcess('strace', ['-f', '-qq', '-o', '/dev/null', ...options, ...command], {
    cwd: scene.dataDirectory,
    env: { ...process.env, HOLDFAST_REPOSITORY: scene.repository },
  });
}

async function sceneWith(t: ExecutionContext): Promise<Scene> {
  const scene = await walScene(t);
  await scene.wal(segment1);
  return scene;
}

test('without hard links a segment is archived, an identical one is found, another one is refused', async (t) => {
  const scene = await sceneWith(t);
  const first = await push(scene, noLinks);
  t.is(first.status, 0, first.stderr);
  const archived = await readFile(scene.archived(segment1));
  t.is((await push(scene, noLinks)).status, 0);
  await scene.wal(segment1, { fill: 'another' });
  const refused = await push(scene, noLinks);
  t.not(refused.status, 0);
  t.regex(refused.stderr, /archived/);
  sameBytes(t, await readFile(scene.archived(segment1)), archived);
  t.deepEqual(await readdir(join(scene.repository, 'main', 'wal', '.writing')), []);
});

test('without hard links, of two that push another segment of one name at the same time one is refused', async (t) => {
  const one = await sceneWith(t);
  const other = await walScene(t, one.repository);
  await other.wal(segment1, { fill: 'another' });
  const ends = await Promise.all([push(one, noLinks), push(other, noLinks)]);
  t.is(ends.filter(({ status }) => status === 0).length, 1, ends.map(({ stderr }) => stderr).join(''));
});

test('where a directory cannot be synced a segment is archived', async (t) => {
  const scene = await sceneWith(t);
  const archived = scene.archived(segment1);
  const main = join(scene.repository, 'main');
  const directories = [
    dirname(archived),
    join(main, 'wal', '.writing'),
    join(main, 'wal'),
    main,
    scene.repository,
  ];
  await mkdir(scene.repository, { recursive: true });
  const paths = directories.flatMap((path) => ['-P', path]);
  const { status, stderr } = await push(scene, [...paths, '-e', 'inject=fsync:error=EINVAL']);
  t.is(status, 0, stderr);
  t.true((await readFile(archived)).length > 0);
});
