/** Threads of our own, each a module beside the one that starts it. */
import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import { parentPort, Worker, type WorkerOptions } from 'node:worker_threads';

/** For resourceLimits: what such a thread knows of a frame is small and short-lived, and the frame is outside of its heap. */
export const smallHeap = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 };

/** `importer`: the URL of who starts it. In a checkout the sources run, in the package what is built from them. */
export function startThread(importer: string, name: string, options: Omit<WorkerOptions, 'env'>): Worker {
  const extension = importer.slice(importer.lastIndexOf('.'));
  return new Worker(new URL(`./${name}${extension}`, importer), { ...options, env: environment() });
}

/** What a thread is sent when there is no more to do for it. */
const end = 'end';

/**
 * Resolves when the thread is gone, after what it has been given. None is terminated in the middle of its work: Node
 * aborts the whole process where a thread ends between the making of a zstd stream and its initialisation
 * (src/node_zlib.cc: CompressionStream::Close; seen with 24.21).
 */
export async function endThread(thread: Worker): Promise<void> {
  if (thread.threadId < 0) return;
  const gone = new Promise((resolve) => thread.once('exit', resolve));
  thread.postMessage(end);
  await gone;
}

/** In the thread: `work` is called with each message until endThread(); `atEnd` once, after the last. */
export function onTask(work: (task: never) => void, atEnd: () => void = () => parentPort?.close()): void {
  parentPort?.on('message', (message: unknown) => {
    if (message === end) atEnd();
    else work(message as never);
  });
}

/** A thread that compiles everything anew takes memory for it; the cache is not handed down by itself. */
function environment(): NodeJS.ProcessEnv {
  const cache = getCompileCacheDir();
  return cache === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: dirname(cache) };
}
