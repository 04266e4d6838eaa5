/** Starts and ends worker threads. The module of a thread lies beside the module that starts the thread. */
import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import { parentPort, Worker, type WorkerOptions } from 'node:worker_threads';

/**
 * resourceLimits for threads that process frames: the objects of such a thread are small and short-lived, and the
 * frames themselves are outside the heap.
 */
export const smallHeap = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 };

/**
 * Starts a thread. `importer`: the URL of the calling module. The extension of that module decides whether the source
 * or the built module is started.
 */
export function startThread(importer: string, name: string, options: Omit<WorkerOptions, 'env'>): Worker {
  const extension = importer.slice(importer.lastIndexOf('.'));
  return new Worker(new URL(`./${name}${extension}`, importer), { ...options, env: environment() });
}

/** The message that ends a thread. */
const end = 'end';

/**
 * Ends a thread after the tasks sent before; resolves when the thread has exited. A thread is never terminated during
 * its work: Node aborts the whole process where a thread ends between creation and initialisation of a zstd stream
 * (src/node_zlib.cc: CompressionStream::Close; seen with 24.21).
 */
export async function endThread(thread: Worker): Promise<void> {
  if (thread.threadId < 0) return;
  const gone = new Promise((resolve) => thread.once('exit', resolve));
  thread.postMessage(end);
  await gone;
}

/** Called in the thread: calls `work` for each message until endThread(), and then `atEnd` once. */
export function onTask(work: (task: never) => void, atEnd: () => void = () => parentPort?.close()): void {
  parentPort?.on('message', (message: unknown) => {
    if (message === end) atEnd();
    else work(message as never);
  });
}

/**
 * Passes the compile cache on, which threads do not inherit. A thread that compiles all modules again needs memory
 * for that.
 */
function environment(): NodeJS.ProcessEnv {
  const cache = getCompileCacheDir();
  return cache === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: dirname(cache) };
}
