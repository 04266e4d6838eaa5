/** What a drill of a cluster is made with, from the configuration. */
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Config } from '../config/config.ts';
import { packageRoot } from '../database/statements.ts';
import { HoldfastError } from '../errors.ts';
import { fetchCommand } from '../recovery/recovery-commands.ts';
import type { DrillOptions } from './run-drill.ts';

export interface DrillOverrides {
  repository: string;
  drillDirectory?: string | undefined;
  programs?: string | undefined;
  assertions?: string | undefined;
  timeout?: number | undefined;
  jobs?: number | undefined;
}

export type DrillPlan = Omit<DrillOptions, 'which' | 'target' | 'timeline' | 'worker' | 'signal' | 'report'>;

/** @throws HoldfastError of kind `usage`, `no_drill_directory` */
export function planDrill(config: Config, cluster: string, overrides: DrillOverrides): DrillPlan {
  const configured = config.cluster(cluster);
  const drillDirectory = overrides.drillDirectory ?? configured.drillDirectory;
  if (drillDirectory === undefined) {
    throw new HoldfastError('usage', `cluster "${cluster}" has no directory for drills`, {
      code: 'no_drill_directory',
      hint: `set drill_directory in [cluster.${cluster}], or give --directory: a file system with room for a whole copy`,
    });
  }
  const { repository } = overrides;
  const fetch = fetchCommand({
    script: join(fileURLToPath(packageRoot), 'bin/holdfast-wal'),
    nodeDirectory: dirname(process.execPath),
    repository,
    cluster,
  });
  return {
    cluster,
    clusterDirectory: join(repository, cluster),
    drillDirectory,
    programs: overrides.programs ?? configured.pgBin,
    preload: configured.drillPreload,
    assertions: overrides.assertions ?? configured.drillAssertions,
    assertionTimeout: configured.drillAssertionTimeout,
    timeout: overrides.timeout ?? configured.drillTimeout,
    restoreCommand: fetch,
    jobs: overrides.jobs ?? Math.min(config.worker.jobs, availableParallelism()),
  };
}
