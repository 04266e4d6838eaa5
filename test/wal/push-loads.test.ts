// "wal push" runs once a segment: it starts in the time that Node takes, since it loads next to nothing.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { runProcess } from '../../dev/harness/children.ts';
import { segment1, walScene, type Scene } from '../support/wal.ts';

const root = new URL('../../', import.meta.url);
const program = fileURLToPath(new URL('bin/holdfast.js', root));

test('a push loads no package, nor anything of databases, workers or backups', async (t) => {
  const scene = await walScene(t);
  await scene.wal(segment1);
  const loaded = await loadedByPush(t, scene);
  t.true(loaded.includes('src/cli/wal/wal-push.ts'), 'what it loads is seen');
  t.true(loaded.includes('src/wal/push-segment.ts'));
  t.deepEqual(packagesIn(loaded), []);
  t.deepEqual(
    loaded.filter((path) => /^src\/(control|worker|backup|restore|retention|schedules|chores)\//.test(path)),
    [],
  );
});

test('with a configuration file it loads what reads that, and no more', async (t) => {
  const scene = await walScene(t);
  await scene.wal(segment1);
  const file = join(scene.dataDirectory, 'holdfast.toml');
  await writeFile(file, '[cluster.main]\n');
  t.deepEqual(packagesIn(await loadedByPush(t, scene, { HOLDFAST_CONFIG: file })), ['smol-toml']);
});

test('what a worker has archived already is not even looked at', async (t) => {
  const scene = await walScene(t);
  await mkdir(join(scene.dataDirectory, 'pg_wal', 'archive_status'));
  await scene.wal(segment1);
  const next = '000000010000000000000002';
  await scene.wal(next);
  for (const name of [segment1, next])
    await writeFile(join(scene.dataDirectory, 'pg_wal', 'archive_status', `${name}.ready`), '');
  t.is((await scene.push(segment1)).status, 0);
  const loaded = await loadedByPush(t, scene, {}, next);
  t.true(loaded.includes('src/cli/wal/wal-push.ts'));
  t.false(loaded.includes('src/wal/push-segment.ts'));
});

/** The files that the process loads, from the checkout's directory on. */
async function loadedByPush(
  t: ExecutionContext,
  { dataDirectory, repository }: Scene,
  env: NodeJS.ProcessEnv = {},
  name = segment1,
): Promise<string[]> {
  const list = join(dataDirectory, 'loaded');
  const hooks = `import { registerHooks } from 'node:module';
    import { appendFileSync } from 'node:fs';
    registerHooks({ load(url, context, next) {
      appendFileSync(${JSON.stringify(list)}, url + '\\n');
      return next(url, context);
    } });`;
  const args = ['--import', `data:text/javascript,${encodeURIComponent(hooks)}`, program];
  const { status, stderr } = await runProcess(process.execPath, [...args, 'wal', 'push', `pg_wal/${name}`], {
    cwd: dataDirectory,
    env: { PATH: process.env['PATH'], HOLDFAST_REPOSITORY: repository, ...env },
  });
  t.is(status, 0, stderr);
  const urls = (await readFile(list, 'utf8')).trimEnd().split('\n');
  return urls.filter((url) => url.startsWith(root.href)).map((url) => url.slice(root.href.length));
}

function packagesIn(loaded: readonly string[]): string[] {
  const names = loaded.map((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]);
  return [...new Set(names.filter((name) => name !== undefined))];
}
