/**
 * Has frames worked on by several threads, a few tasks ahead of each, so that none waits for another. Each has a stretch
 * of them for itself, as two that write to one file at the same time wait for its lock.
 */
import { messageOf } from '../errors.ts';
import { endThread, smallHeap, startThread } from '../system/threads.ts';
import type { ExtractionAnswer, ExtractionTask, ThreadSetup } from './extraction-messages.ts';

const ahead = 2;

/**
 * Hands every task out once; `receive` gets the answers as they come. Where it throws, nothing more is
 * handed out and all threads are ended before this rejects.
 */
export async function inThreads(
  jobs: number,
  setup: ThreadSetup,
  tasks: readonly ExtractionTask[],
  receive: (answer: ExtractionAnswer) => void,
): Promise<void> {
  const threads = Array.from({ length: Math.min(jobs, tasks.length) }, () =>
    startThread(import.meta.url, 'extraction-thread', { workerData: setup, resourceLimits: smallHeap }),
  );
  const stretches = split(tasks.length, threads.length);
  let answered = 0;
  try {
    await new Promise<void>((resolve, reject) => {
      if (tasks.length === 0) resolve();
      for (const [index, thread] of threads.entries()) {
        const give = () => {
          const task = tasks[takeNext(stretches, index) ?? -1];
          if (task !== undefined) thread.postMessage(task);
        };
        thread.on('message', (answer: ExtractionAnswer) => {
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
    await Promise.all(threads.map((thread) => endThread(thread)));
  }
}

interface Stretch {
  next: number;
  end: number;
}

function split(count: number, parts: number): Stretch[] {
  const bound = (part: number) => Math.floor((count * part) / parts);
  return Array.from({ length: parts }, (_, part) => ({ next: bound(part), end: bound(part + 1) }));
}

/** Out of its own stretch; who is through with that gets half of what another has left. */
function takeNext(stretches: readonly Stretch[], index: number): number | undefined {
  const own = stretches[index];
  if (own === undefined) return undefined;
  if (own.next === own.end) {
    const [longest = own] = stretches.toSorted((a, b) => b.end - b.next - (a.end - a.next));
    const middle = longest.next + Math.floor((longest.end - longest.next) / 2);
    [own.next, own.end, longest.end] = [middle, longest.end, middle];
  }
  if (own.next === own.end) return undefined;
  own.next += 1;
  return own.next - 1;
}
