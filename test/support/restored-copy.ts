// A server that goes back in time: restored from a tar of another one's data directory, promoted on a new timeline.
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { extract } from '../../dev/demo/copy.ts';
import { createCluster, type EmbeddedCluster, type Major } from '../../dev/embedded/cluster.ts';
import { asServerUser } from '../../dev/embedded/server-user.ts';
import { runProcess } from '../../dev/harness/children.ts';
import { noServerFiles, type TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { connect } from './sql-client.ts';

/** For testWhen(): why tests that restore cannot run; undefined when they can. */
export const noRestore =
  noServerFiles ??
  (process.env['TEST_POSTGRES'] === 'containers' ? "copies are started from npm's binaries" : undefined);

export interface Copy {
  source: TestCluster;
  tar: string;
  label: string;
}

/** With status 1, files changed while they were read: recovery mends that. */
export async function tarOf(source: TestCluster): Promise<string> {
  const data = String(source.dataDirectory);
  const tar = join(dirname(data), 'base.tar');
  const exclude = ['--exclude=./postmaster.*', '--exclude=./pg_wal/*'];
  const { status, stderr } = await runProcess('tar', ['-cf', tar, ...exclude, '-C', data, '.']);
  if (status !== 0 && status !== 1) throw new Error(`tar ended with ${status}: ${stderr}`);
  return tar;
}

/** Resolves when it is a primary. `target`: one of PostgreSQL's recovery_target settings. */
export async function restoredCopy(
  t: ExecutionContext,
  { source, tar, label }: Copy,
  target: Record<string, string>,
): Promise<EmbeddedCluster> {
  const cluster = await createCluster({ version: source.version as Major, empty: true });
  t.teardown(() => cluster.remove());
  await extract(tar, cluster.dataDirectory);
  await asServerUser.writeFile(join(cluster.dataDirectory, 'backup_label'), label);
  await asServerUser.writeFile(join(cluster.dataDirectory, 'recovery.signal'), '');
  await cluster.appendSettings({
    restore_command: `cp "${source.archiveDirectory}/%f" "%p"`,
    recovery_target_action: 'promote',
    ...target,
  });
  await cluster.start();
  try {
    const client = await connect(t, cluster.url());
    await eventually('it is a primary', () => client.value('select not pg_is_in_recovery()'));
  } catch (error) {
    // A server that is open as a hot standby may still come to grief.
    throw new Error(`no primary: ${(error as Error).message}: ${await readFile(cluster.logFile, 'utf8')}`, {
      cause: error,
    });
  }
  return cluster;
}
