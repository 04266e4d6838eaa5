// Everybody on a host can read the arguments of every process.
import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startProcess } from '../../dev/harness/children.ts';
import { scene } from '../support/scene.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';
import { root } from '../../dev/root.ts';

/** The checkout's: the package has no Node of its own to hand over to. */
const program = join(root, 'bin', 'holdfast.js');

const test = testWhen(process.platform === 'linux' ? undefined : 'it reads /proc');

test('no process of a worker shows the password in its --database-url, nor does the Node that it has started', async (t) => {
  const { workerLogin } = await scene(t);
  const directory = await temporaryDirectory(t);
  const password = randomBytes(12).toString('hex');
  const url = new URL(workerLogin.url);
  url.password = password;
  // A Node that cannot run the sources starts the checkout's, and waits for it.
  const args = ['--no-experimental-strip-types', program, 'worker', '--database-url', url.href];
  const worker = await startProcess(t, process.execPath, args, {
    env: {
      PATH: process.env['PATH'],
      DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nothing',
      HOLDFAST_LABELS: join(directory, 'labels'),
      HOLDFAST_REPOSITORY: join(directory, 'repository'),
    },
  });
  await worker.untilLine(/\bready\b/);

  const lines = await commandLines();
  const isWorker = /holdfast\.js[ \0]worker[ \0]--database-url[ \0]postgres:\/\/\.\.\.\0*$/;
  t.regex(lines.get(worker.pid) ?? '', isWorker);
  const child = [...lines].find(
    ([pid, line]) => pid !== worker.pid && line.includes(program) && isWorker.test(line),
  );
  t.truthy(child, 'the other Node');
  for (const [pid, line] of lines) t.false(line.includes(password), `process ${pid}: ${line}`);
  worker.kill('SIGTERM');
  t.is((await worker.exited).status, 0);
});

/** Of every process that there is. */
async function commandLines(): Promise<Map<number, string>> {
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0);
  const lines = pids.map(async (pid) => {
    const line = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '');
    return [pid, line] as const;
  });
  return new Map(await Promise.all(lines));
}
