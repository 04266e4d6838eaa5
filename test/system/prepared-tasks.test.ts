import test from 'ava';
import { endThread, startThread } from '../../src/system/threads.ts';

const beside = new URL('../support/any.ts', import.meta.url).href;

test('a task is prepared before the work on the task before begins, and all are done before the thread ends', async (t) => {
  const said: string[] = [];
  const thread = startThread(beside, 'prepared-thread', {});
  thread.on('message', (what: string) => said.push(what));
  for (const task of [1, 13, 3]) thread.postMessage(task);
  await endThread(thread);
  t.deepEqual(said, [
    'prepare 1',
    'prepare 13',
    'work 1 with 2',
    'prepare 3',
    'work 13: no luck',
    'work 3 with 6',
    'idle',
  ]);
});
