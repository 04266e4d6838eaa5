// The lint rules that keep the house in order, held against what they are to allow and to refuse.
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { levels, places, rooms, sourceRules } from '../../dev/house/rooms.ts';
import { runProcess } from '../../dev/harness/children.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

const levelOf = (room: string) => levels.findIndex((level) => level.includes(room));

/** The files among these in which the linter refuses an import, by the given rule. */
async function refused(
  t: ExecutionContext,
  files: Record<string, string>,
  rule = 'no-restricted-imports',
): Promise<Set<string>> {
  const directory = await temporaryDirectory(t);
  await copyFile(join(root, '.oxlintrc.json'), join(directory, '.oxlintrc.json'));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), text);
  }
  // As npm runs it: what oxlint calls for the rules that know types is looked for on the PATH.
  const programs = join(root, 'node_modules/.bin');
  const env = { ...process.env, PATH: `${programs}:${process.env['PATH']}` };
  const { stdout, stderr } = await runProcess(join(programs, 'oxlint'), ['--format', 'unix'], {
    cwd: directory,
    env,
  });
  t.notRegex(stderr + stdout, /Failed to /);
  const refusals = stdout.split('\n').filter((line) => line.includes(rule));
  return new Set(refusals.map((line) => line.split(':')[0] ?? ''));
}

/** A file that the pattern stands for. */
function placeIn(pattern: string): string {
  return pattern.replace('**', 'probe.ts');
}

function importing(specifier: string): string {
  return `import * as it from '${specifier}';\n\nprocess.stdout.write(String(it));\n`;
}

function difference(t: ExecutionContext, actual: Set<string>, expected: Iterable<string>): void {
  t.deepEqual([...actual].sort(), [...expected].sort());
}

test('imports point down, and siblings do not import each other', async (t) => {
  const pairs = rooms.flatMap((from) => rooms.filter((to) => to !== from).map((to) => ({ from, to })));
  const path = ({ from, to }: { from: string; to: string }) => `src/${from}/imports-${to}.ts`;
  const files = pairs.map((pair) => [path(pair), importing(`../${pair.to}/probe.ts`)] as const);
  const wrong = pairs.filter(({ from, to }) => levelOf(to) <= levelOf(from));
  t.true(wrong.length > 40);
  difference(t, await refused(t, Object.fromEntries(files)), wrong.map(path));
});

test('folders within a folder follow the same rule', async (t) => {
  const files = {
    'src/backup/methods/up.ts': importing('../../worker/run-worker.ts'),
    'src/backup/methods/aside.ts': importing('../../labels/place-label.ts'),
    'src/backup/methods/down.ts': importing('../../control/backup-requests.ts'),
    'src/backup/methods/parent.ts': importing('../request-run.ts'),
  };
  difference(t, await refused(t, files), ['src/backup/methods/up.ts', 'src/backup/methods/aside.ts']);
});

test('errors and log, at the bottom, import nothing of the house', async (t) => {
  const files = { 'src/errors.ts': importing('./config/config.ts'), 'src/log.ts': importing('./errors.ts') };
  difference(t, await refused(t, files), ['src/errors.ts']);
});

test('each third-party package is imported in one place', async (t) => {
  const allowed = Object.entries(places).map(([name, path]) => [placeIn(path), importing(name)] as const);
  difference(t, await refused(t, Object.fromEntries(allowed)), []);

  const wrong = Object.keys(places).flatMap((name) =>
    ['src', ...rooms.map((folder) => `src/${folder}`), 'test/support', 'dev']
      .map((folder) => `${folder}/imports-${name.replaceAll('/', '-')}.ts`)
      .filter((path) => dirname(path) !== 'src/cli' || name !== 'commander')
      .map((path) => [path, importing(name)] as const),
  );
  difference(
    t,
    await refused(t, Object.fromEntries(wrong)),
    wrong.map(([path]) => path),
  );
});

test('so the place of every dependency is known', async (t) => {
  const { dependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  t.deepEqual(Object.keys(dependencies).sort(), Object.keys(places).sort());
});

test('tests reach a server through one client only', async (t) => {
  const files = {
    'test/sql/probe.test.ts': importing('pg'),
    'test/support/probe.ts': importing('pg'),
    'dev/harness/sql-client.ts': importing('pg'),
    'dev/probe.ts': importing('pg'),
    'bench/probe.ts': importing('pg'),
    'test/sql/ava.test.ts': importing('ava'),
    'test/sql/builtin.test.ts': importing('node:fs/promises'),
  };
  difference(t, await refused(t, files), [
    'test/sql/probe.test.ts',
    'test/support/probe.ts',
    'dev/probe.ts',
    'bench/probe.ts',
  ]);
});

test('tests import from dev/, and neither dev/ nor bench/ imports from tests', async (t) => {
  const files = {
    'test/support/probe.ts': importing('../../dev/harness/sql-client.ts'),
    'dev/demo/probe.ts': importing('../../test/support/probe.ts'),
    'dev/probe.ts': importing('../test/support/probe.ts'),
    'dev/harness/sql-client.ts': importing('../../test/support/probe.ts'),
    'bench/control/probe.ts': importing('../../test/support/probe.ts'),
    'bench/copy/probe.ts': importing('../../dev/harness/children.ts'),
  };
  difference(t, await refused(t, files), [
    'dev/demo/probe.ts',
    'dev/probe.ts',
    'dev/harness/sql-client.ts',
    'bench/control/probe.ts',
  ]);
});

test('no files import each other in a circle, be it types only', async (t) => {
  const circles = ['src/wal', 'dev/embedded', 'bench/copy', 'test/support'].flatMap((folder) => [
    [`${folder}/one.ts`, `import type { Two } from './two.ts';\n\nexport type One = Two[];\n`] as const,
    [`${folder}/two.ts`, `import type { One } from './one.ts';\n\nexport type Two = One | 2;\n`] as const,
  ]);
  difference(
    t,
    await refused(t, Object.fromEntries(circles), 'no-cycle'),
    circles.map(([path]) => path),
  );
});

test("the linter's rules are made from the list of rooms", async (t) => {
  const { overrides } = JSON.parse(await readFile(join(root, '.oxlintrc.json'), 'utf8')) as {
    overrides: { files: string[] }[];
  };
  t.deepEqual(
    overrides.filter(({ files }) => files[0]?.startsWith('src/')),
    sourceRules() as typeof overrides,
    'run node dev/lint-rules.ts',
  );
});
