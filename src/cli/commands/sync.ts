/**
 * `holdfast sync` and `holdfast wait`: send the repository off-site. Both commands work without the control
 * database.
 */
import { InvalidArgumentError, type Command } from 'commander';
import { join } from 'node:path';
import { syncRepository } from '../../offsite/sync-repository.ts';
import type { SyncAttempt } from '../../offsite/sync-record.ts';
import type { ClusterConfig, Config } from '../../config/config.ts';
import { withControl } from '../../control/control-client.ts';
import { requireConfirmedOrigin } from '../../control/control-identity.ts';
import { HoldfastError } from '../../errors.ts';
import { requireRepository } from '../../repository/repository-owner.ts';
import { plain } from '../../plain.ts';
import { count } from '../render/format.ts';
import { untilInterrupted } from '../interruption.ts';
import { configFrom, controlFrom, type GlobalOptions } from '../options.ts';
import { printJson, printLines } from '../render/output.ts';

interface Options extends GlobalOptions {
  cluster?: string;
  force?: boolean;
}

/** The result for one cluster. */
interface Synced {
  cluster: string;
  runs: number;
  /** The last run that sent files; undefined if there was none. */
  sent: SyncAttempt | undefined;
}

/** Adds `holdfast sync` to the program. */
export function addSync(program: Command): void {
  program
    .command('sync')
    .description('send off-site what is unsent, with the sync_command of the cluster; needs no database')
    .option('--cluster <name>', 'only this one (default: all that have a sync_command)')
    .option('--force', 'run it once though nothing is unsent', false)
    .action(async (_: object, command: Command) => {
      const options = command.optsWithGlobals<Options>();
      await report(options, await untilInterrupted((signal) => syncAll(options, undefined, signal)));
    });
}

/** Adds `holdfast wait` to the program. */
export function addWait(program: Command): void {
  program
    .command('wait')
    .description(
      'wait until nothing is unsent or being sent, and send what nobody else does; exits with 3 when the time is up; needs no database',
    )
    .argument('[seconds]', 'how long (default: as long as it takes)', secondsOption)
    .option('--cluster <name>', 'only this one (default: all that have a sync_command)')
    .action(async (seconds: number | undefined, _: object, command: Command) => {
      const options = command.optsWithGlobals<Options>();
      await report(options, await untilInterrupted((signal) => waitFor(options, seconds, signal)));
    });
}

/**
 * Syncs within `seconds`. At the end of that time, the program that sends is ended, too.
 * @throws HoldfastError `timeout`
 */
async function waitFor(
  options: Options,
  seconds: number | undefined,
  interrupted: AbortSignal,
): Promise<Synced[]> {
  if (seconds === undefined) return syncAll(options, undefined, interrupted);
  const timesUp = AbortSignal.timeout(seconds * 1000);
  try {
    return await syncAll(options, seconds * 1000, AbortSignal.any([interrupted, timesUp]));
  } catch (error) {
    const isLocked = error instanceof HoldfastError && error.code === 'locked';
    if (!timesUp.aborted && !isLocked) throw error;
    throw new HoldfastError('timeout', `not everything was sent within ${seconds} s`, {
      code: 'timeout',
      hint: 'wait for a worker to send it on, or run "holdfast sync" or "holdfast wait"',
      cause: error,
    });
  }
}

async function syncAll(options: Options, wait: number | undefined, signal: AbortSignal): Promise<Synced[]> {
  const config = configFrom(options);
  const clusters = chosen(config.clusters, options.cluster);
  await refuseUnconfirmed(config);
  const done: Synced[] = [];
  for (const cluster of clusters) {
    requireRepository(join(config.worker.repository, cluster.name));
    let sent: SyncAttempt | undefined;
    const runs = await syncRepository({
      clusterDirectory: join(config.worker.repository, cluster.name),
      command: cluster.syncCommand ?? [],
      timeout: cluster.syncTimeout,
      walReserve: config.worker.walReserve,
      wait,
      force: options.force === true,
      signal,
      onSent: (sending) => (sent = sending),
    });
    done.push({ cluster: cluster.name, runs, sent });
  }
  return done;
}

/**
 * Refuses to sync if the control database answers and is not in charge. If the control database is down, WAL
 * that is archived in the meantime must still be sent.
 * @throws HoldfastError `origin_not_confirmed`
 */
async function refuseUnconfirmed(config: Config): Promise<void> {
  try {
    await withControl(controlFrom(config, 'sync'), (db) => requireConfirmedOrigin(db, 'sync'));
  } catch (error) {
    if (error instanceof HoldfastError && error.code === 'origin_not_confirmed') throw error;
  }
}

function chosen(clusters: ClusterConfig[], name: string | undefined): ClusterConfig[] {
  const found = clusters.filter(
    (cluster) => cluster.syncCommand !== undefined && (name === undefined || cluster.name === name),
  );
  if (found.length > 0) return found;
  const nothing =
    name === undefined ? 'no cluster has a sync_command' : `cluster "${name}" has no sync_command`;
  throw new HoldfastError('usage', nothing, {
    code: 'no_sync_command',
    hint: 'set it in the configuration: [cluster.main] sync_command = ["program", "argument"]',
  });
}

async function report(options: Options, done: Synced[]): Promise<void> {
  if (options.json === true) {
    await printJson(
      done.map(({ cluster, runs, sent }) => ({
        cluster,
        runs,
        backup: sent?.backup ?? null,
        present: sent?.present ?? null,
        files: sent?.files ?? null,
      })),
    );
    return;
  }
  await printLines(
    done.map(({ cluster, sent }) => {
      if (sent === undefined) return `${plain(cluster)}: nothing was unsent`;
      const what = sent.backup === null ? 'WAL' : `backup ${sent.backup} and its WAL`;
      return `${plain(cluster)}: sent ${what}, ${count(sent.files, 'file')}, as of ${sent.present}`;
    }),
  );
}

function secondsOption(text: string): number {
  const seconds = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && seconds > 0 && seconds <= 2_000_000) return seconds;
  throw new InvalidArgumentError('it is not a number of seconds above 0: type for example 90');
}
