// A thread that compresses for some milliseconds, a little at a time, and then does nothing for as long.
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort } from 'node:worker_threads';
import { compressHere } from '../../src/repository/compressed-here.ts';
import { onTask } from '../../src/system/threads.ts';

const content = Buffer.alloc(1000, 'holdfast');
let last = Promise.resolve();

async function work(milliseconds: number): Promise<void> {
  let frames = 0;
  for (const end = performance.now() + milliseconds; performance.now() < end; frames += 1)
    compressHere(content, 1);
  await sleep(milliseconds);
  parentPort?.postMessage(frames);
}

onTask(
  (milliseconds: number) => {
    last = last.then(() => work(milliseconds));
  },
  () => void last.then(() => parentPort?.close()),
);
