// A place in memory for what tests write: most of what their servers do is to make files, and to remove them.
import { chmod, mkdtemp, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryDirectory } from './embedded/cache.ts';

const memoryDisk = '/dev/shm';
/** Bytes. */
const wanted = 12 * 1024 ** 3;

/** With the environment that leads there; with none where there is no room. */
export async function inMemory<T>(work: (env: NodeJS.ProcessEnv) => Promise<T>): Promise<T> {
  const found = await statfs(memoryDisk).catch(() => undefined);
  if (found === undefined || found.bavail * found.bsize < wanted) return work({});
  const directory = await mkdtemp(join(memoryDisk, 'holdfast-tests-'));
  await chmod(directory, 0o1777);
  try {
    // What is made once, for all runs, stays where it is.
    return await work({ TMPDIR: directory, TEST_CACHE: temporaryDirectory() });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
