/** Has frames worked on by several threads, a few tasks ahead of each, so that none waits for another. */
import { Worker } from 'node:worker_threads';
import { messageOf } from '../../errors.ts';
import type { Answer, Task, ThreadSetup } from './messages.ts';

const ahead = 2;

/**
 * Hands every task out once, in order; `receive` gets the answers as they come. Where it throws, nothing more is
 * handed out and all threads are ended before this rejects.
 */
export async function inThreads(
  jobs: number,
  setup: ThreadSetup,
  tasks: readonly Task[],
  receive: (answer: Answer) => void,
): Promise<void> {
  const threads = Array.from({ length: Math.min(jobs, tasks.length) }, () => startThread(setup));
  let next = 0;
  let answered = 0;
  try {
    await new Promise<void>((resolve, reject) => {
      if (tasks.length === 0) resolve();
      for (const thread of threads) {
        const give = () => {
          const task = tasks[next];
          if (task === undefined) return;
          next += 1;
          thread.postMessage(task);
        };
        thread.on('message', (answer: Answer) => {
          try {
            receive(answer);
          } catch (error) {
            reject(error instanceof Error ? error : new Error(messageOf(error)));
            return;
          }
          answered += 1;
          if (answered === tasks.length) resolve();
          else give();
        });
        thread.once('error', reject);
        for (let at = 0; at < ahead; at += 1) give();
      }
    });
  } finally {
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
}

function startThread(setup: ThreadSetup): Worker {
  // Built, the sources have another extension.
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
  return new Worker(new URL(`./thread${extension}`, import.meta.url), { workerData: setup });
}
