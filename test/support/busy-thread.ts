// A thread that compresses for some milliseconds, a little at a time, and then does nothing for as long.
import { setTimeout as sleep } from 'node:timers/promises';
import { compressHere } from '../../src/repository/compressed-here.ts';
import { doTasks } from '../../src/system/thread-tasks.ts';

const content = Buffer.alloc(1000, 'holdfast');

doTasks(async (milliseconds: string) => {
  let frames = 0;
  for (const end = performance.now() + Number(milliseconds); performance.now() < end; frames += 1)
    compressHere(content, 1);
  await sleep(Number(milliseconds));
  return frames;
});
