/** The backup request that `holdfast cancel` and `holdfast stop` are about: by its id, or by its label. */
import type { Command } from 'commander';
import type { WhichBackup } from '../control/control-client.ts';
import { HoldfastError } from '../errors.ts';
import { clusterOption, ofOneCluster, positiveDurationOption, type GlobalOptions } from './options.ts';

/** The options of such a command. */
export interface WhichBackupOptions extends GlobalOptions {
  cluster?: string;
  /** Milliseconds. */
  timeout?: number;
}

/** Adds the options. `timeout` describes `--timeout`. */
export function addWhichBackupOptions(command: Command, timeout: string): Command {
  return command
    .option(...clusterOption("the label's cluster"))
    .option('--timeout <duration>', timeout, positiveDurationOption);
}

/** Requires the id or the label of a request, but not both. @throws HoldfastError `which_backup` */
export function whichBackup(
  options: WhichBackupOptions,
  { id, label }: { id: number | undefined; label: string | undefined },
): WhichBackup {
  const { cluster, timeout } = ofOneCluster(options);
  if ((label === undefined) !== (id === undefined))
    return { id: id ?? null, label: label ?? null, cluster, timeout: timeout ?? null };
  throw new HoldfastError('usage', 'give either the id or the label of a backup request', {
    code: 'which_backup',
    hint: 'see both with "holdfast status"',
  });
}
