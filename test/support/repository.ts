// Repositories for tests: a directory is one only once somebody has said so, as "holdfast wal init" does.
import { join } from 'node:path';
import { createRepository } from '../../src/repository/repository-owner.ts';

/** Makes `<repository>/<cluster>/`, as its owner's; returns it. */
export async function makeRepository(repository: string, cluster = 'main'): Promise<string> {
  const directory = join(repository, cluster);
  await createRepository(directory);
  return directory;
}
