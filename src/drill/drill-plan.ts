/** Builds the options of a drill from the configuration of a cluster. */
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Config } from '../config/config.ts';
import { packageRoot } from '../database/statements.ts';
import { HoldfastError } from '../errors.ts';
import { fetchCommand } from '../recovery/recovery-commands.ts';
import type { DrillOptions } from './run-drill.ts';

/** Options that override the configuration. */
export interface DrillOverrides {
  repository: string;
  /** undefined: drill_directory of the cluster. */
  drillDirectory?: string | undefined;
  /** The directory of PostgreSQL's programs; undefined: pg_bin of the cluster. */
  programs?: string | undefined;
  /** The file of assertions; undefined: drill_assertions of the cluster. */
  assertions?: string | undefined;
  /** Milliseconds; undefined: drill_timeout of the cluster. */
  timeout?: number | undefined;
  /** undefined: the jobs of the worker, at most the number of processors. */
  jobs?: number | undefined;
}

/** The options of a drill that do not depend on the request. */
export type DrillPlan = Omit<DrillOptions, 'which' | 'target' | 'timeline' | 'worker' | 'signal' | 'report'>;

/**
 * Builds the options of a drill.
 * @throws HoldfastError of kind `usage`, `no_drill_directory`
 */
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
