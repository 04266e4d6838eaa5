// A thread that compresses all the time, a little at a time.
import { compressHere } from '../../src/repository/compressed-here.ts';
import { doTasks } from '../../src/thread-tasks.ts';

const content = Buffer.alloc(1000, 'holdfast');

doTasks((milliseconds: string) => {
  let frames = 0;
  for (const end = performance.now() + Number(milliseconds); performance.now() < end; frames += 1)
    compressHere(content, 1);
  return frames;
});
