/**
 * The garbage collector beside large buffers. V8 counts buffers and the memory of zstd towards the limit at which it collects
 * the old part of the heap, which is small here: while a worker compresses WAL, the memory of a few frames, which comes and
 * goes, would have all of the heap marked every 80 milliseconds.
 */
import v8 from 'node:v8';

/** Percent by which what is counted may grow until V8 collects; 0: V8's own choice, some 20 to 300 percent. */
const growth = 300;

let holders = 0;

/** Calls `work`, and lets V8 collect rarely until its promise settles. */
export async function withRareCollections<T>(work: () => Promise<T>): Promise<T> {
  holders += 1;
  if (holders === 1) grow(growth);
  try {
    return await work();
  } finally {
    holders -= 1;
    if (holders === 0) grow(0);
  }
}

function grow(percent: number): void {
  v8.setFlagsFromString(`--heap-growing-percent=${percent}`);
}
