/**
 * Distributes frames to several threads. Each thread processes a contiguous range of frames, because two threads that
 * write to the same file block each other on the lock of its inode.
 */
import { messageOf } from '../errors.ts';
import { ThreadPool } from '../system/thread-pool.ts';
import type { ExtractionAnswer, ExtractionTask, ThreadSetup } from './extraction-messages.ts';

/** Tasks of a thread at the same time: a frame in work, one that is read ahead, and one that waits. */
const ahead = 3;

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
  if (tasks.length === 0) return;
  const threads = Math.min(jobs, tasks.length);
  const stretches = split(tasks.length, threads);
  const over = Promise.withResolvers<void>();
  let answered = 0;
  let hasFailed = false;
  const pool = new ThreadPool<ExtractionTask, ExtractionAnswer>({
    importer: import.meta.url,
    name: 'extraction-thread',
    setup,
    threads,
    ahead,
    next: (thread) => (hasFailed ? undefined : tasks[takeNext(stretches, thread) ?? -1]),
    onAnswer: (answer) => {
      if (hasFailed) return;
      receive(answer);
      answered += 1;
      if (answered === tasks.length) over.resolve();
    },
    onError: (error) => {
      hasFailed = true;
      over.reject(error instanceof Error ? error : new Error(messageOf(error)));
    },
  });
  try {
    pool.fill();
    await over.promise;
  } finally {
    await pool.end();
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
