import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'ava';
import { isAlive, parseProcess, processState, thisProcess } from '../../src/system/process-identity.ts';
import { runProcess } from '../../dev/harness/children.ts';

const me = thisProcess();

test('a process that runs is alive, and one that has ended is gone', async (t) => {
  t.is(processState(me), 'alive');
  const child = spawn('true');
  await once(child, 'exit');
  t.is(processState({ ...me, pid: Number(child.pid), startedAt: '1' }), 'gone');
});

test('a pid that was given to another process is not the process', (t) => {
  t.is(processState({ ...me, startedAt: '1' }), 'gone');
});

test('what ran in another pid namespace, in another boot or on another host is unknown, not gone', (t) => {
  t.is(processState({ ...me, pidNamespace: 'pid:[1]' }), 'unknown');
  t.is(processState({ ...me, boot: 'another' }), 'unknown');
  t.is(processState({ ...me, pid: 4_000_000, host: 'another', boot: 'another' }), 'unknown');
});

test('a process of the same pid in another namespace of this host does not take us for gone', async (t) => {
  const file = new URL('../../src/system/process-identity.ts', import.meta.url).pathname;
  const script = `import { processState } from ${JSON.stringify(file)};
    process.stdout.write(processState(JSON.parse(process.argv[1])));`;
  const node = [process.execPath, '--input-type=module', '-e', script, JSON.stringify(me)];
  const { status, stdout, stderr } = await runProcess('unshare', [
    '--pid',
    '--fork',
    '--mount-proc',
    ...node,
  ]);
  if (status !== 0 && /not permitted/i.test(stderr)) return t.pass('no right to make a namespace here');
  t.is(stdout, 'unknown', stderr);
});

test('numbers that are not a pid are not alive', (t) => {
  for (const pid of [0, -1, Number.NaN, 1.5, Infinity]) t.false(isAlive(pid), String(pid));
});

test('what was read is a process, or it is not', (t) => {
  t.deepEqual(parseProcess(JSON.parse(JSON.stringify(me))), me);
  for (const value of [null, 1, {}, { ...me, pid: 0 }, { ...me, pid: '7' }, { ...me, boot: undefined }])
    t.is(parseProcess(value), undefined);
});
