import test from 'ava';
import { untilGone } from '../../dev/embedded/processes.ts';
import { sharedCluster } from './cluster.ts';
import { runProcess, startProcess } from '../../dev/harness/children.ts';
import { noPsql, psql } from './psql.ts';
import { testWhen } from './test-when.ts';

const node = process.execPath;

test('a program run to its end gives its status and what it said', async (t) => {
  const script =
    'process.stdin.pipe(process.stdout); process.stdin.on("end", () => process.exit(3)); console.error("e")';
  const finished = await runProcess(node, ['-e', script], { input: 'hello' });
  t.deepEqual(finished, { status: 3, signal: null, stdout: 'hello', stderr: 'e\n' });
});

test('a line is waited for, and found although it was said before', async (t) => {
  const running = await startProcess(t, node, [
    '-e',
    'console.log("worker ready"); setInterval(() => {}, 1000)',
  ]);
  t.is(await running.untilLine(/ready/), 'worker ready');
  t.is(await running.untilLine(/ready/), 'worker ready');
  running.kill('SIGTERM');
  t.is((await running.exited).signal, 'SIGTERM');
});

test('a program that ends without saying the line is an error that shows what it said instead', async (t) => {
  const running = await startProcess(t, node, [
    '-e',
    'console.error("cannot connect"); process.exitCode = 1',
  ]);
  await t.throwsAsync(running.untilLine(/ready/), { message: /ended with 1 before .*cannot connect/s });
});

test('a child is killed with the process that started it', async (t) => {
  const url = new URL('../../dev/harness/children.ts', import.meta.url).href;
  const script = `
    const { startProcess } = await import(${JSON.stringify(url)});
    const child = await startProcess({ teardown() {} }, process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    console.log('child ' + child.pid);
    process.kill(process.pid, 'SIGKILL');`;
  const { stdout, signal } = await runProcess(node, ['--input-type=module-typescript', '-e', script]);
  t.is(signal, 'SIGKILL');
  const pid = Number(/child (\d+)/.exec(stdout)?.[1]);
  await t.notThrowsAsync(untilGone([pid]));
});

testWhen(noPsql)("psql runs against the tests' server", async (t) => {
  const cluster = await sharedCluster();
  const finished = await psql(cluster.url(), ['-At', '-c', 'select 6 * 7']);
  t.is(finished.stdout, '42\n', finished.stderr);
  t.is((await psql(cluster.url(), ['-c', 'select nonsense'])).status, 1);
});
