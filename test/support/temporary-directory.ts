// A directory of the test's own, gone when it ends.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Teardown } from '../../dev/harness/children.ts';

export async function temporaryDirectory(t: Teardown): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-test-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  return directory;
}
