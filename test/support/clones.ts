// Copies of a whole data directory, pg_wal and all that lies in it included, as a snapshot of its file system is one.
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { createCluster, type EmbeddedCluster, type Major } from '../../dev/embedded/cluster.ts';
import { asServerUser } from '../../dev/embedded/server-user.ts';
import type { TestCluster } from './cluster.ts';

/** Of a server that is stopped, or went down; not started. `settings` beat those that came with the copy. */
export async function cloneOf(
  t: ExecutionContext,
  source: Pick<TestCluster, 'version' | 'dataDirectory'>,
  settings: Record<string, string> = {},
): Promise<EmbeddedCluster> {
  const clone = await createCluster({ version: source.version as Major, empty: true });
  t.teardown(() => clone.remove());
  await asServerUser.run('cp', ['-a', `${source.dataDirectory}/.`, clone.dataDirectory]);
  await asServerUser.run('rm', ['-f', join(clone.dataDirectory, 'postmaster.pid')]);
  await clone.appendSettings(settings);
  return clone;
}

/** The same, as a standby that gets its WAL from the archive alone. */
export async function standbyOf(
  t: ExecutionContext,
  source: TestCluster,
  settings: Record<string, string>,
): Promise<EmbeddedCluster> {
  const standby = await cloneOf(t, source, settings);
  await asServerUser.writeFile(join(standby.dataDirectory, 'standby.signal'), '');
  return standby;
}
