import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import test from 'ava';
import { endThread, startThread } from '../../src/system/threads.ts';
import { moment } from '../support/moments.ts';

const busy = new URL('../support/any.ts', import.meta.url).href;

/** The number of frames that the thread compresses in that many milliseconds. */
async function framesIn(thread: Worker, milliseconds: number): Promise<number> {
  thread.postMessage(milliseconds);
  const [frames] = (await once(thread, 'message')) as [number];
  return frames;
}

test('a thread that is ended does what it has begun, and no more', async (t) => {
  const thread = startThread(busy, 'busy-thread', {});
  t.true((await framesIn(thread, 5)) > 0);
  const last = framesIn(thread, 100);
  await endThread(thread);
  t.true((await last) > 0);
  t.is(thread.threadId, -1);
  await endThread(thread);
});

// Node aborts the process where a thread is terminated while it makes a zstd stream.
test('threads that compress are ended at any moment, and this process goes on', async (t) => {
  let frames = 0;
  for (let round = 0; round < 15; round += 1) {
    const threads = Array.from({ length: 4 }, () => startThread(busy, 'busy-thread', {}));
    await Promise.all(threads.map((thread) => framesIn(thread, 0)));
    const tasks = threads.map((thread) => framesIn(thread, 15));
    await moment(round);
    await Promise.all(threads.map((thread) => endThread(thread)));
    for (const task of tasks) frames += await task;
  }
  t.true(frames > 0);
});
