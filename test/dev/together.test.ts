// Files of tests that share a process, one of which fails, one cannot be loaded, and one ends the process.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { canShare, runTogether } from '../../dev/together.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Makes files of tests, in that order; paths relative to the checkout. */
async function testFiles(t: ExecutionContext, bodies: Record<string, string>): Promise<string[]> {
  const parent = join(root, 'test/.together');
  await mkdir(parent, { recursive: true });
  const directory = await mkdtemp(join(parent, 'files-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const paths = Object.keys(bodies).map((name) => join(directory, `${name}.test.ts`));
  const texts = Object.values(bodies).map((body) => `import test from 'ava';\n${body}\n`);
  await Promise.all(paths.map((path, at) => writeFile(path, texts[at] ?? '')));
  return paths.map((path) => relative(root, path));
}

const passing = "test('it works', (t) => t.pass());";

test('each result is one of its file, and no file takes the results of others along', async (t) => {
  const files = await testFiles(t, {
    first: passing,
    failing: `${passing} test.skip('later', (t) => t.fail()); test('it fails', (t) => t.is(1, 2));`,
    broken: `${passing} throw new Error('this cannot be loaded');`,
    ending: "test('it ends', (t) => { t.pass(); process.exit(1); });",
    behind: passing,
    empty: '',
  });
  const { passed, skipped, failed, failures = '' } = await runTogether(files, { processes: 1 });
  // "ending" and what is behind it were not heard of, and run by themselves; AVA says twice that a process has ended.
  t.deepEqual({ passed, skipped, failed }, { passed: 3, skipped: 1, failed: 7 });
  for (const title of ['failing › it fails', 'broken › the file is loaded']) t.true(failures.includes(title));
  t.regex(failures, /No tests found in .*empty\.test\.ts/);
});

test('a file has a process of its own that changes it, or runs something before its tests', async (t) => {
  const files = await testFiles(t, {
    plain: passing,
    environment: "test('x', (t) => { process.env['PATH'] = ''; t.pass(); });",
    mask: "test('x', (t) => { process.umask(0); t.pass(); });",
    hook: 'test.before(() => {});',
  });
  t.deepEqual(
    files.map((file) => canShare(file)),
    [true, false, false, false],
  );
});
