// A thread that says when it prepares a task, and when it works on it. What is prepared for task 13 fails.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { parentPort } from 'node:worker_threads';
import { onPreparedTask } from '../../src/system/prepared-tasks.ts';

const say = (what: string) => parentPort?.postMessage(what);

onPreparedTask<number, number>({
  async prepare(task) {
    say(`prepare ${task}`);
    await nextTurn();
    if (task === 13) throw new Error('no luck');
    return task * 2;
  },
  work(task, prepared) {
    try {
      say(`work ${task} with ${prepared()}`);
    } catch (error) {
      say(`work ${task}: ${(error as Error).message}`);
    }
  },
  onIdle: () => say('idle'),
});
