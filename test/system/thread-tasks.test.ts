import test from 'ava';
import { TaskThread } from '../../src/system/thread-tasks.ts';
import { moment } from '../support/moments.ts';

const busy = new URL('../support/any.ts', import.meta.url).href;

test('a thread that is ended does what it has begun, and no more', async (t) => {
  const thread = new TaskThread<number>(busy, 'busy-thread', undefined);
  t.true((await thread.do('5')) > 0);
  const last = thread.do('100');
  await thread.end();
  t.true((await last) > 0);
  await t.throwsAsync(thread.do('5'), { message: 'the thread for it has ended' });
  await thread.end();
});

// Node aborts the process where a thread is terminated while it makes a zstd stream.
test('threads that compress are ended at any moment, and this process goes on', async (t) => {
  let frames = 0;
  for (let round = 0; round < 15; round += 1) {
    const threads = Array.from({ length: 4 }, () => new TaskThread<number>(busy, 'busy-thread', undefined));
    await Promise.all(threads.map((thread) => thread.do('0')));
    const tasks = threads.map((thread) => thread.do('15'));
    await moment(round);
    await Promise.all(threads.map((thread) => thread.end()));
    for (const task of tasks) frames += await task;
  }
  t.true(frames > 0);
});
