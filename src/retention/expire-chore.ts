/** Runs an expiry that was requested in SQL, and reports the result in SQL. */
import type { Config } from '../config/config.ts';
import type { Connection } from '../database/connection.ts';
import { HoldfastError } from '../errors.ts';
import type { Log } from '../log.ts';
import { expireCluster, type ExpiryResult } from './expire-cluster.ts';

/** The request. */
export interface ExpireChore {
  cluster: string;
  /** `dry_run`: only report, and remove nothing. */
  options: Record<string, unknown>;
}

/** The parts of the worker that an expiry uses. */
export interface ExpireContext {
  control: { run<T>(work: (db: Connection) => Promise<T>, signal?: AbortSignal): Promise<T> };
  clusterDirectory: string;
  config: Config;
  log: Log;
  signal: AbortSignal;
  setResult: (result: Record<string, unknown>) => void;
}

/**
 * Runs an expiry and returns its result.
 * @throws HoldfastError `delete_failed` where a delete_command failed, and the errors of expireCluster()
 */
export async function runExpiry(
  { cluster, options }: ExpireChore,
  { control, clusterDirectory, config, log, signal, setResult }: ExpireContext,
): Promise<Record<string, unknown>> {
  const expiry = await expireCluster({
    cluster,
    clusterDirectory,
    control: (work) => control.run(work, signal),
    dryRun: options['dry_run'] === true,
    unknown: false,
    clockIsRight: false,
    deleteCommand: config.clusters.find(({ name }) => name === cluster)?.deleteCommand,
    log,
    signal,
  });
  const result = summaryOf(expiry);
  const [problem] = expiry.problems;
  if (problem === undefined) return result;
  setResult(result);
  throw new HoldfastError('failed', problem, { code: 'delete_failed' });
}

function summaryOf({
  policy,
  gone,
  stays,
  wal,
  finished,
  relisted,
  bytes,
  problems,
}: ExpiryResult): Record<string, unknown> {
  return {
    policy: policy === undefined ? null : (JSON.parse(policy) as unknown),
    expired: gone.map(({ backup, reasons }) => ({ backup: backup.name, reason: reasons.join('; ') })),
    stays: stays.length,
    wal_files: wal.filter(({ goes }) => goes).reduce((sum, { files }) => sum + files, 0),
    finished,
    relisted,
    bytes,
    problems,
  };
}
