// bin/: which Node is new enough, and what runs.
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { runProcess } from '../../dev/harness/children.ts';
import { holdfast } from '../support/process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const root = new URL('../../', import.meta.url);
const program = fileURLToPath(new URL('bin/holdfast.js', root));

/** A Node that says it is another version, and has what that one has. */
function pretending(version: string, { more = '', of = program } = {}): string[] {
  const script = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } });
    Object.defineProperty(process, 'version', { value: 'v${version}' }); ${more}`;
  return ['--import', `data:text/javascript,${encodeURIComponent(script)}`, of];
}

test('a Node that is too old gets one line, and 2', async (t) => {
  const installed = await temporaryDirectory(t);
  await cp(new URL('bin/', root), join(installed, 'bin'), { recursive: true });
  await writeFile(join(installed, 'package.json'), '{ "type": "module" }');
  for (const version of ['18.20.8', '20.10.0']) {
    const { status, stdout, stderr } = await runProcess(process.execPath, [
      ...pretending(version, { of: join(installed, 'bin', 'holdfast.js') }),
      '--version',
    ]);
    t.deepEqual([status, stdout], [2, '']);
    t.is(stderr, `holdfast: needs Node 22.15 or newer, and this is v${version}\n`);
  }
});

test('a command that comes to no end of its own has failed, whatever Node makes of that', async (t) => {
  const installed = await temporaryDirectory(t);
  await cp(new URL('bin/', root), join(installed, 'bin'), { recursive: true });
  await writeFile(join(installed, 'package.json'), '{ "type": "module" }');
  await mkdir(join(installed, 'dist', 'program'), { recursive: true });
  for (const [file, name] of [
    ['main', 'main'],
    ['wal-push', 'walPush'],
    ['wal-fetch', 'walFetch'],
  ] as const)
    await writeFile(
      join(installed, 'dist', 'program', `${file}.js`),
      `export const ${name} = () => new Promise(() => {});`,
    );
  for (const [args, expected] of [
    [['sync'], 1],
    [['wal', 'push', 'pg_wal/000000010000000000000001'], 1],
    [['wal', 'fetch', '000000010000000000000001', 'pg_wal/RECOVERYXLOG'], 200],
  ] as const) {
    const run = [join(installed, 'bin', 'holdfast.js'), ...args];
    const { status, stderr } = await runProcess(process.execPath, run);
    t.is(status, expected);
    t.regex(stderr, /^holdfast: ended before it was done/);
  }
});

test('the oldest Node that is accepted is the one in package.json', async (t) => {
  const { engines } = JSON.parse(await readFile(new URL('package.json', root), 'utf8')) as {
    engines: { node: string };
  };
  const oldest = engines.node.replace('>=', '');
  const [, major, minor] = /minimum = \[(\d+), (\d+)\]/.exec(await readFile(program, 'utf8')) ?? [];
  t.is(oldest, `${major}.${minor}`);
});

test("a Node that cannot read the sources hands over to the checkout's own, with its exit status", async (t) => {
  const features = (typescript: string) =>
    `Object.defineProperty(process.features, 'typescript', { value: ${typescript} });`;
  for (const [version, more] of [
    ['20.19.0', features('false')],
    ['22.18.0', `${features("'strip'")} delete globalThis.AsyncDisposableStack;`], // does not know "using"
  ] as const) {
    const old = ['--no-experimental-strip-types', ...pretending(version, { more })];
    const { status, stdout } = await runProcess(process.execPath, [...old, '--version']);
    t.is(status, 0);
    t.regex(stdout, /^\d+\.\d+\.\d+\n$/);
    t.is((await runProcess(process.execPath, [...old, 'nonsense'])).status, 2);
  }
});

test('it runs through a symbolic link, as npm makes one, from any directory', async (t) => {
  const cwd = await temporaryDirectory(t);
  const PATH = [fileURLToPath(new URL('node_modules/.bin', root)), process.env['PATH']].join(delimiter);
  const { status } = await runProcess('sh', ['-c', `ln -s "${program}" holdfast && ./holdfast --version`], {
    cwd,
    env: { ...process.env, PATH },
  });
  t.is(status, 0);
});

test('without a home directory it runs as well', async (t) => {
  t.is((await holdfast(['--version'], { env: { HOME: '/nowhere', XDG_CACHE_HOME: '' } })).status, 0);
});
