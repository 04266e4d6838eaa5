/**
 * The chore that sends unsent files off-site. With option `force`, the chore runs the program once even if no
 * file is unsent.
 */
import type { Connection } from '../database/connection.ts';
import { HoldfastError } from '../errors.ts';
import { requireRepository } from '../repository/repository-owner.ts';
import type { Chore, ChoreContext } from '../chores/chore.ts';
import { useRepository } from '../identity/repository-use.ts';
import { syncRepository } from './sync-repository.ts';

/** Milliseconds to wait for another process that is sending: a worker elsewhere, or `holdfast sync`. */
const patience = 600_000;

/**
 * Runs one attempt of the chore. Returns the last sync, and how many times the program ran.
 * @throws HoldfastError `no_sync_command`, and those of `useRepository` and `syncRepository`
 */
export async function runSyncChore(chore: Chore, context: ChoreContext): Promise<Record<string, unknown>> {
  const { config, clusterDirectory, signal } = context;
  const cluster = config.clusters.find(({ name }) => name === chore.cluster);
  if (cluster?.syncCommand === undefined) {
    throw new HoldfastError('usage', `cluster "${chore.cluster}" has no sync_command`, {
      code: 'no_sync_command',
      hint: `set it in the worker's configuration: [cluster.${chore.cluster}] sync_command = ["…"]`,
    });
  }
  const use = {
    cluster: chore.cluster,
    clusterDirectory,
    control: <T>(work: (db: Connection) => Promise<T>) => context.control.run(work, signal),
  };
  if ((await useRepository(use, `sync of cluster ${chore.cluster}`)) === 'unused')
    requireRepository(clusterDirectory);
  let result: Record<string, unknown> = {};
  const runs = await syncRepository({
    clusterDirectory,
    command: cluster.syncCommand,
    timeout: cluster.syncTimeout,
    walReserve: config.worker.walReserve,
    wait: patience,
    force: chore.options['force'] === true,
    signal,
    onSent: ({ backup, present, files }) => {
      result = { backup, present, files };
      context.setResult(result);
    },
  });
  return { ...result, runs };
}
