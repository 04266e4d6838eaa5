// A server whose WAL goes into a repository through "holdfast wal push", backups of it there, and restores from it.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { createCluster, type EmbeddedCluster, type Major } from '../../dev/embedded/cluster.ts';
import { archivedPath } from '../../src/repository/wal-archive.ts';
import type { Finished } from './children.ts';
import { ownCluster, type OwnClusterOptions, type TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { holdfast } from './process.ts';
import { makeRepositoryBackup, type Made } from './repository-backup.ts';
import { connect, type SqlClient } from './sql-client.ts';

export interface RepositoryScene {
  readonly cluster: TestCluster;
  readonly client: SqlClient;
  readonly repository: string;
  /** Of the cluster, in the repository. */
  readonly directory: string;
  backup(during?: () => Promise<void>): Promise<Made>;
  /** Everything written so far is in the archive when it resolves. */
  archiveAll(client?: SqlClient): Promise<void>;
  /** Runs `holdfast restore --to DIR`. */
  restore(to: string, ...args: string[]): Promise<Finished>;
  /** Restores into a new cluster, which is not started; the restore must succeed. */
  restored(...args: string[]): Promise<EmbeddedCluster>;
  /** The same, started, and, where it is to be, no longer in recovery. */
  started(...args: string[]): Promise<{ cluster: EmbeddedCluster; client: SqlClient }>;
}

export const holdfastProgram = fileURLToPath(new URL('../../bin/holdfast.js', import.meta.url));

export async function repositoryScene(
  t: ExecutionContext,
  options: OwnClusterOptions = {},
): Promise<RepositoryScene> {
  const cluster = await ownCluster(t, options);
  const repository = await cluster.serverDirectory('repository');
  await cluster.configure({ archive_command: pushCommand(repository) });
  return sceneOn(t, cluster, repository, await connect(t, cluster.url()));
}

export function pushCommand(repository: string): string {
  return `"${process.execPath}" "${holdfastProgram}" wal push "%p" --repository "${repository}" --cluster main`;
}

function sceneOn(
  t: ExecutionContext,
  cluster: TestCluster,
  repository: string,
  client: SqlClient,
): RepositoryScene {
  const directory = join(repository, 'main');
  let backups = 0;
  const scene: RepositoryScene = {
    cluster,
    client,
    repository,
    directory,
    async backup(during) {
      backups += 1;
      const made = await makeRepositoryBackup({
        cluster,
        client,
        clusterDirectory: directory,
        id: backups,
        ...(during && { during }),
      });
      await scene.archiveAll();
      return made;
    },
    async archiveAll(from = client) {
      // A switch right after another one would do nothing.
      await from.query(`select pg_logical_emit_message(false, 'test', '')`);
      const segment = await from.value<string>('select pg_walfile_name(pg_switch_wal())');
      await eventually(`${segment} is archived`, () => existsSync(archivedPath(directory, segment)));
    },
    restore: (to, ...args) => holdfast(['restore', '--repository', repository, '--to', to, ...args]),
    async restored(...args) {
      const target = await createCluster({ version: cluster.version as Major, empty: true });
      t.teardown(() => target.remove());
      const { status, stderr } = await scene.restore(target.dataDirectory, '--no-archiving', ...args);
      if (status !== 0) throw new Error(`restore ended with ${status}: ${stderr}`);
      return target;
    },
    async started(...args) {
      const target = await scene.restored(...args);
      await target.start();
      const there = await connect(t, target.url());
      if (!args.includes('--as-standby') && !args.includes('pause'))
        await eventually('it is a primary', () => there.value('select not pg_is_in_recovery()'));
      return { cluster: target, client: there };
    },
  };
  return scene;
}
