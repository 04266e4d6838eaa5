// Chains of incremental copies, and what PostgreSQL's own pg_combinebackup makes of them.
import { copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Teardown } from '../../dev/harness/children.ts';
import { toolsOf } from '../../dev/debian/postgres-tools.ts';
import { createCluster, type EmbeddedCluster, type Major } from '../../dev/embedded/cluster.ts';
import { usual } from '../../dev/embedded/binaries.ts';
import {
  copyScene,
  noCopies,
  run,
  type CopyScene,
  type CopySceneOptions,
  type StoredCopy,
} from './copies.ts';
import type { WorkerProcess } from './process.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** The majors whose servers summarize their WAL. */
export const summarizing: readonly Major[] = [17, 18, 19];

/** For testWhen(): why a server of the usual version makes no incremental copies; undefined when it does. */
export const noIncrements =
  noCopies ??
  (Number(process.env['TEST_PG_VERSION'] ?? usual) < 17
    ? 'this server does not summarize its WAL'
    : undefined);

export interface ChainScene extends CopyScene {
  /** An incremental copy, complete and without a warning. */
  increment: () => Promise<StoredCopy>;
  worker: WorkerProcess;
}

/** A server that summarizes its WAL, and a worker that copies it. */
export async function chainScene(
  t: Teardown,
  { settings, ...options }: CopySceneOptions = {},
): Promise<ChainScene> {
  const scene = await copyScene(t, { ...options, settings: { summarize_wal: 'on', ...settings } });
  const worker = await scene.startCopier();
  return {
    ...scene,
    worker,
    async increment() {
      const copy = await scene.copy({ incremental: true });
      if (copy.row.warnings.length > 0) throw new Error(copy.row.warnings.join('; '));
      return copy;
    },
  };
}

/** The backups of a chain, each in a directory of its own, as pg_combinebackup takes them. */
export async function extractedLinks(t: Teardown, links: readonly StoredCopy[]): Promise<string[]> {
  const place = await temporaryDirectory(t);
  const directories: string[] = [];
  for (const [number, { directory, description }] of links.entries()) {
    const to = join(place, String(number));
    await mkdir(to);
    await run('tar', ['--zstd', '-xpf', join(directory, 'base.tar.zst'), '-C', to]);
    await copyFile(join(directory, 'backup_manifest'), join(to, 'backup_manifest'));
    for (const { oid, tar } of description.tablespaces) {
      const space = `${to}-${oid}`;
      await mkdir(space);
      await run('tar', ['--zstd', '-xpf', join(directory, tar), '-C', space]);
      await symlink(space, join(to, 'pg_tblspc', String(oid)));
    }
    directories.push(to);
  }
  return directories;
}

/**
 * What pg_combinebackup of that major makes of a chain, with the WAL of its last link; not started. `extracted`: what
 * extractedLinks() has made of the links.
 */
export async function combined(
  t: Teardown,
  links: readonly StoredCopy[],
  version: number,
  extracted?: readonly string[],
): Promise<EmbeddedCluster> {
  const directories = extracted ?? (await extractedLinks(t, links));
  const cluster = await createCluster({ version: version as Major, empty: true });
  t.teardown(() => cluster.remove());
  const last = links.at(-1);
  const spaces = last?.description.tablespaces ?? [];
  const mappings = await Promise.all(
    spaces.map(async ({ oid }) => {
      const to = await cluster.makeDirectory(`space-${oid}`);
      return `--tablespace-mapping=${directories.at(-1)}-${oid}=${to}`;
    }),
  );
  const program = join(String(toolsOf(version, 'pg_combinebackup')), 'pg_combinebackup');
  await run(program, [...directories, ...mappings, '-o', cluster.dataDirectory]);
  const give =
    'for f in "$0"/pg_wal/*.zst; do zstd -dq "$f" -o "$1/pg_wal/$(basename "$f" .zst)" || exit 1; done';
  await run('sh', ['-c', give, String(last?.directory), cluster.dataDirectory]);
  // The links lead to where the tablespaces are, as the combined map says.
  const map = join(cluster.dataDirectory, 'tablespace_map');
  for (const { oid } of spaces) {
    const text = await readFile(map, 'utf8');
    const place = join(cluster.directory, `space-${oid}`);
    await writeFile(map, text.replace(new RegExp(`^${oid} .*$`, 'm'), `${oid} ${place}`));
    await run('chown', ['-R', `--reference=${cluster.directory}/archive`, place]);
  }
  await run('chown', ['-R', `--reference=${cluster.directory}/archive`, cluster.dataDirectory]);
  await cluster.appendSettings({ archive_mode: 'off' });
  return cluster;
}
