// Backups that a worker copies into its repository, and what becomes of them by hand: with tar, zstd and PostgreSQL.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createCluster, type EmbeddedCluster, type Major } from '../../dev/embedded/cluster.ts';
import { readAllBackups } from '../../src/repository/catalog.ts';
import type { RepositoryBackup } from '../../src/repository/repository-backup.ts';
import type { Backup } from './backups.ts';
import { runProcess, type Teardown } from '../../dev/harness/children.ts';
import { ownCluster, type OwnClusterOptions, type TestCluster } from './cluster.ts';
import type { WorkerProcess } from './process.ts';
import { request } from './requests.ts';
import { noRestore } from './restored-copy.ts';
import { scene, type Scene } from './scene.ts';
import { connect } from './sql-client.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const { status: zstdStatus } = await runProcess('sh', ['-c', 'command -v zstd']);

/** For testWhen(): why a copy cannot be restored by hand here; undefined when it can. */
export const noCopies = noRestore ?? (zstdStatus === 0 ? undefined : 'there is no program zstd');

export interface CopyScene extends Scene {
  repository: string;
  cluster: TestCluster;
  startCopier: (env?: NodeJS.ProcessEnv) => Promise<WorkerProcess>;
  /** Requests a copy and waits until it is complete. */
  copy: (columns?: Record<string, unknown>) => Promise<StoredCopy>;
  requestCopy: (columns?: Record<string, unknown>) => Promise<string>;
  /** What is in the cluster's directory of backups. */
  names: () => Promise<string[]>;
}

export interface StoredCopy {
  row: Backup;
  directory: string;
  meta: string;
  description: RepositoryBackup;
}

export interface CopySceneOptions extends OwnClusterOptions {
  /** Default: a directory of the test's own. */
  repository?: string;
  /** Default: one of the test's own. */
  cluster?: TestCluster;
}

/** On a server of its own; no worker runs yet. */
export async function copyScene(
  t: Teardown,
  { repository, cluster: given, ...options }: CopySceneOptions = {},
): Promise<CopyScene> {
  const cluster = given ?? (await ownCluster(t, { installed: true, ...options }));
  const base = await scene(t, cluster);
  const place = repository ?? (await temporaryDirectory(t));
  const requestCopy = (columns: Record<string, unknown> = {}) =>
    request(base.client, { method: 'copy', fast: true, ...columns });
  return {
    ...base,
    cluster,
    repository: place,
    startCopier: (env = {}) => base.startWorker({ env: { HOLDFAST_REPOSITORY: place, ...env } }),
    requestCopy,
    async copy(columns) {
      const id = await requestCopy(columns);
      const row = await base.untilState(id, 'complete', { within: 300_000 });
      return storedCopy(place, row);
    },
    names: async () => (await readdir(join(place, 'main', 'backups')).catch((): string[] => [])).sort(),
  };
}

export async function storedCopy(repository: string, row: Backup): Promise<StoredCopy> {
  const backups = join(repository, 'main', 'backups');
  const name = (await readdir(backups)).find((entry) => entry.endsWith(`Z-${row.id}`));
  if (name === undefined) throw new Error(`there is no backup ${row.id} in ${backups}`);
  const stored = (await readAllBackups(join(repository, 'main'))).find(
    ({ description }) => description.id === Number(row.id),
  );
  if (stored === undefined) throw new Error(`backup ${row.id} is not listed`);
  return { row, ...stored };
}

/** An empty data directory with the backup in it, and its WAL: with GNU tar and zstd, as the manual has it. */
export async function extracted(
  t: Teardown,
  { directory }: StoredCopy,
  version: number,
): Promise<EmbeddedCluster> {
  const cluster = await createCluster({ version: version as Major, empty: true });
  t.teardown(() => cluster.remove());
  const data = cluster.dataDirectory;
  await run('tar', ['--zstd', '-xpf', join(directory, 'base.tar.zst'), '-C', data]);
  await run('sh', [
    '-c',
    'for f in "$0"/pg_wal/*.zst; do zstd -dq "$f" -o "$1/pg_wal/$(basename "$f" .zst)" || exit 1; done; chown -R --reference="$1/PG_VERSION" "$1/pg_wal"',
    directory,
    data,
  ]);
  await cluster.appendSettings({ archive_mode: 'off' });
  return cluster;
}

/** Extracts a tablespace's tar into a directory of that server, and says so in its map. */
export async function placeTablespace(
  cluster: EmbeddedCluster,
  { directory }: StoredCopy,
  tablespace: { oid: number; tar: string },
): Promise<string> {
  const place = await cluster.makeDirectory(`space-${tablespace.oid}`);
  await run('tar', ['--zstd', '-xpf', join(directory, tablespace.tar), '-C', place]);
  const file = join(cluster.dataDirectory, 'tablespace_map');
  const map = await readFile(file, 'utf8');
  await cluster.asServerUser.writeFile(
    file,
    map.replace(new RegExp(`^${tablespace.oid} .*$`, 'm'), `${tablespace.oid} ${place}`),
  );
  return place;
}

/** Starts it and connects to that database. */
export async function started(t: Teardown, cluster: EmbeddedCluster, database: string) {
  await cluster.start();
  return connect(t, cluster.url({ database }));
}

export async function run(command: string, args: string[]): Promise<string> {
  const { status, stdout, stderr } = await runProcess(command, args);
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${stderr}`);
  return stdout;
}
