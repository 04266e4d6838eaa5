// Waits for something that becomes true by itself, by asking often, and says what was missing when it does not.
import { setTimeout as sleep } from 'node:timers/promises';

export interface Patience {
  /** Milliseconds. */
  within?: number;
  /** Milliseconds between two questions, in the end. */
  every?: number;
}

/** How many times as long everything may take here: CI's machines are slow, and busy with several files of tests. */
const stretch = Number(process.env['TEST_PATIENCE'] ?? 1);

type Present<T> = Exclude<T, false | null | undefined>;

/** Resolves with the first result that is neither false, null nor undefined. `what`, as a function: what is so instead. */
export async function eventually<T>(
  what: string | (() => string),
  ask: () => T | Promise<T>,
  { within = 20_000, every = 100 }: Patience = {},
): Promise<Present<T>> {
  const deadline = performance.now() + within * stretch;
  for (let pause = 2; ; pause = Math.min(pause * 1.5, every)) {
    const answer = await ask();
    if (answer !== false && answer !== null && answer !== undefined) return answer as Present<T>;
    if (performance.now() > deadline)
      throw new Error(`not within ${within * stretch} ms: ${typeof what === 'string' ? what : what()}`);
    await sleep(pause);
  }
}
