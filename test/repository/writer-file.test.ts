import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { thisProcess } from '../../src/system/process-identity.ts';
import { runProcess } from '../../dev/harness/children.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('a writer that cannot be seen is not gone because the clock of this host is ahead', async (t) => {
  const directory = await temporaryDirectory(t);
  const [owner, unfinished] = [join(directory, 'owner'), join(directory, 'partial')];
  await mkdir(unfinished);
  await writeFile(owner, JSON.stringify({ ...thisProcess(), boot: 'another host' }));
  t.is(await saidAhead(t, 'repository/writer-file.ts', 'ownerIsGone', owner, unfinished), 'false\n');
  t.deepEqual((await readdir(directory)).sort(), ['owner', 'partial']);
});

test('what another host is writing is not removed because the clock of this host is ahead', async (t) => {
  const directory = await temporaryDirectory(t);
  const [written, left] = ['new~another~1~2~3~a', 'new~another~1~2~3~b'];
  for (const name of [written, left]) await writeFile(join(directory, name), '');
  const old = new Date(Date.now() - 2 * 3_600_000);
  await utimes(join(directory, left), old, old);
  t.is(await saidAhead(t, 'system/temporary-files.ts', 'removeTemporaries', directory, 'new'), '1\n');
  t.deepEqual(await readdir(directory), [written]);
});

/** What a function says, called by a process whose clock is 400 days ahead. */
async function saidAhead(
  t: ExecutionContext,
  file: string,
  name: string,
  ...args: string[]
): Promise<string> {
  const module = new URL(`../../src/${file}`, import.meta.url).href;
  const clock = fileURLToPath(new URL('../support/shifted-clock.ts', import.meta.url));
  const script = `console.log(await (await import('${module}')).${name}(...process.argv.slice(1)))`;
  const env = { ...process.env, CLOCK_SHIFT: String(400 * 86_400_000) };
  const node = ['--import', clock, '--input-type=module', '-e', script, ...args];
  const { stdout, stderr } = await runProcess(process.execPath, node, { env });
  t.is(stderr, '');
  return stdout;
}
