/** Waits for a limited time. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds. The longest delay of a timer in Node. */
export const longestTimer = 2 ** 31 - 1;

/** Whether a promise resolves within that many milliseconds. @throws its error, where it rejects within them */
export async function endsWithin(milliseconds: number, promise: Promise<unknown>): Promise<boolean> {
  const over = new AbortController();
  const options = { signal: over.signal };
  const late = sleep(Math.min(longestTimer, milliseconds), false, options).catch(() => false);
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    over.abort();
  }
}
