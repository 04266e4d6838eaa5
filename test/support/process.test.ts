import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { freshDatabase } from './cluster.ts';
import { holdfast, startWorkerProcess } from './process.ts';

test('a command gives its status and output, whatever the caller has in its environment', async (t) => {
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const finished = await holdfast(['--version']);
  t.is(finished.stdout, `${version}\n`, finished.stderr);
  t.is((await holdfast(['no-such-command'])).status, 2);
});

test('a worker is started, is ready, has its labels in a place of its own, and stops', async (t) => {
  const { url } = await freshDatabase(t);
  const schema = { HOLDFAST_SCHEMA: `support_${process.pid}` };
  const installed = await holdfast(['install'], { url, env: schema });
  t.is(installed.status, 0, installed.stderr);

  const worker = await startWorkerProcess(t, { url, env: schema });
  await t.notThrowsAsync(access(join(worker.labels, '..')));
  worker.kill('SIGTERM');
  t.is((await worker.exited).status, 0, worker.output());
});

test('a worker that cannot start is an error that says what it said', async (t) => {
  const { url } = await freshDatabase(t);
  await t.throwsAsync(startWorkerProcess(t, { url }), { message: /holdfast install/ });
});
