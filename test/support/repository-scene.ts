// A server whose WAL goes into a repository through "holdfast wal push", backups of it there by a real worker, and
// restores from it.
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createCluster, type EmbeddedCluster, type Major } from '../../dev/embedded/cluster.ts';
import { archivedPath } from '../../src/repository/wal-archive.ts';
import { backupAt, type StoredBackup } from '../../src/repository/catalog.ts';
import type { Finished, Teardown } from '../../dev/harness/children.ts';
import { ownCluster, type OwnClusterOptions, type TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { holdfast, startWorkerProcess, type WorkerProcess } from './process.ts';
import { makeRepository } from './repository.ts';
import { request } from './requests.ts';
import { scene, type Scene } from './scene.ts';
import { connect, type SqlClient } from './sql-client.ts';
import { program } from './programs.ts';

export interface RepositoryScene extends Scene {
  readonly cluster: TestCluster;
  readonly repository: string;
  /** Of the cluster, in the repository. */
  readonly directory: string;
  readonly worker: WorkerProcess;
  /** Where the worker keeps its labels. */
  readonly labels: string;
  /** By the worker, with method copy; complete when it resolves. */
  backup: (columns?: Record<string, unknown>) => Promise<StoredBackup>;
  /** Everything written so far is in the archive when it resolves. */
  archiveAll: (client?: SqlClient) => Promise<void>;
  /** Now, on the server's clock, as --target-time takes it. */
  now: (client?: SqlClient) => Promise<string>;
  /** Runs `holdfast restore --to DIR`. */
  restore: (to: string, ...args: string[]) => Promise<Finished>;
  /** Restores into a new cluster, which is not started; the restore must succeed. */
  restored: (...args: string[]) => Promise<EmbeddedCluster>;
  /** The same, started, and no longer in recovery unless it is to stay there. */
  started: (...args: string[]) => Promise<Started>;
}

export interface Started {
  cluster: EmbeddedCluster;
  client: SqlClient;
}

export interface RepositorySceneOptions extends OwnClusterOptions {
  /** Of the worker. */
  env?: NodeJS.ProcessEnv;
  /** Default: one of the test's own. */
  cluster?: TestCluster;
}

/** A worker runs when it resolves. */
export async function repositoryScene(
  t: Teardown,
  { env, cluster: given, ...options }: RepositorySceneOptions = {},
): Promise<RepositoryScene> {
  const cluster = given ?? (await ownCluster(t, { installed: true, ...options }));
  const repository = await cluster.serverDirectory('repository');
  await makeRepository(repository);
  await cluster.configure({ archive_command: pushCommand(repository) });
  const base = await scene(t, cluster);
  const directory = join(repository, 'main');
  const ours = restores(t, { cluster, repository, directory, base });
  // Where the worker here is root, the server's user would not get into a directory that the worker made.
  await ours.archiveAll();
  const worker = await base.startWorker({ env: { HOLDFAST_REPOSITORY: repository, ...env } });
  return {
    ...base,
    ...ours,
    cluster,
    repository,
    directory,
    labels: worker.labels,
    worker,
    async backup(columns) {
      const id = await request(base.client, { method: 'copy', fast: true, ...columns });
      await base.untilState(id, 'complete', { within: 300_000 });
      const name = (await readdir(join(directory, 'backups'))).find((entry) => entry.endsWith(`Z-${id}`));
      return backupAt(join(directory, 'backups', String(name)));
    },
  };
}

/** For a test that shares the scene with others: what it starts and restores ends with that test. */
export function onBehalfOf<Shared extends RepositoryScene>(t: Teardown, base: Shared): Shared {
  return {
    ...base,
    ...restores(t, { ...base, base }),
    startWorker: (options) => startWorkerProcess(t, { url: base.workerLogin.url, ...options }),
  };
}

export function pushCommand(repository: string): string {
  return `"${process.execPath}" "${program}" wal push "%p" --repository "${repository}" --cluster main`;
}

type Restores = Pick<RepositoryScene, 'archiveAll' | 'now' | 'restore' | 'restored' | 'started'>;

interface Stage extends Pick<RepositoryScene, 'cluster' | 'repository' | 'directory'> {
  base: Scene;
}

function restores(t: Teardown, { repository, directory, cluster, base }: Stage): Restores {
  const restore: Restores['restore'] = (to, ...args) =>
    holdfast(['restore', '--repository', repository, '--to', to, ...args]);
  const restored: Restores['restored'] = async (...args) => {
    const target = await createCluster({ version: cluster.version as Major, empty: true });
    t.teardown(() => target.remove());
    const { status, stderr } = await restore(target.dataDirectory, ...args);
    if (status !== 0) throw new Error(`restore ended with ${status}: ${stderr}`);
    return target;
  };
  return {
    restore,
    restored,
    async archiveAll(client = base.admin) {
      // A switch right after another one would do nothing.
      await client.query(`select pg_logical_emit_message(false, 'test', '')`);
      const segment = await client.value<string>('select pg_walfile_name(pg_switch_wal())');
      await eventually(`${segment} is archived`, () => existsSync(archivedPath(directory, segment)));
    },
    now: (client = base.admin) =>
      client.value<string>(
        `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US"+00"')`,
      ),
    async started(...args) {
      const target = await restored(...args);
      await target.start();
      const client = await connect(t, target.url({ database: base.db.name }));
      const stays = args.includes('--as-standby') || args.includes('pause');
      const promoted = () => client.value<boolean>('select not pg_is_in_recovery()');
      if (!stays) await eventually('it is a primary', promoted, { within: 300_000 });
      return { cluster: target, client };
    },
  };
}
