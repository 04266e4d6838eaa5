/**
 * Distributes frames to several threads, a few tasks ahead, so that no thread waits. Each thread processes a
 * contiguous range of frames, because two threads that write to the same file block each other on the lock of its
 * inode.
 */
import { messageOf } from '../errors.ts';
import { endThread, smallHeap, startThread } from '../system/threads.ts';
import type { ExtractionAnswer, ExtractionTask, ThreadSetup } from './extraction-messages.ts';

// Tasks sent to a thread ahead.
const ahead = 2;

/**
 * Sends each task to a thread once; `receive` is called with the answers in any order. Where `receive` throws, no
 * further task is sent, and the promise is rejected after all threads have ended.
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

/** The tasks that remain for a thread. */
interface Stretch {
  next: number;
  end: number;
}

function split(count: number, parts: number): Stretch[] {
  const bound = (part: number) => Math.floor((count * part) / parts);
  return Array.from({ length: parts }, (_, part) => ({ next: bound(part), end: bound(part + 1) }));
}

/**
 * Returns the next task of the thread's own range. A thread without tasks takes over half of the longest remaining
 * range.
 */
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
