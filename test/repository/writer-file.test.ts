import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { thisProcess } from '../../src/system/process-identity.ts';
import { runProcess } from '../../dev/harness/children.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('a writer that cannot be seen is not gone because the clock of this host is ahead', async (t) => {
  const directory = await temporaryDirectory(t);
  const [owner, unfinished] = [join(directory, 'owner'), join(directory, 'partial')];
  await mkdir(unfinished);
  await writeFile(owner, JSON.stringify({ ...thisProcess(), boot: 'another host' }));
  const module = new URL('../../src/repository/writer-file.ts', import.meta.url).href;
  const clock = fileURLToPath(new URL('../support/shifted-clock.ts', import.meta.url));
  const script = `console.log(await (await import('${module}')).ownerIsGone(...process.argv.slice(1)))`;
  const args = ['--import', clock, '--input-type=module', '-e', script, owner, unfinished];
  const env = { ...process.env, CLOCK_SHIFT: String(400 * 86_400_000) };
  const { stdout, stderr } = await runProcess(process.execPath, args, { env });
  t.is(stdout, 'false\n', stderr);
  t.deepEqual((await readdir(directory)).sort(), ['owner', 'partial']);
});
