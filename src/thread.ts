/** Threads of our own, each a module beside the one that starts it. */
import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import { Worker, type WorkerOptions } from 'node:worker_threads';

/** For resourceLimits: what such a thread knows of a frame is small and short-lived, and the frame is outside of its heap. */
export const smallHeap = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 };

/** `importer`: the URL of who starts it. In a checkout the sources run, in the package what is built from them. */
export function startThread(importer: string, name: string, options: Omit<WorkerOptions, 'env'>): Worker {
  const extension = importer.slice(importer.lastIndexOf('.'));
  return new Worker(new URL(`./${name}${extension}`, importer), { ...options, env: environment() });
}

/** A thread that compiles everything anew takes memory for it; the cache is not handed down by itself. */
function environment(): NodeJS.ProcessEnv {
  const cache = getCompileCacheDir();
  return cache === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: dirname(cache) };
}
