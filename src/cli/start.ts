import type { Command } from 'commander';
import {
  cancelBackup,
  interruptible,
  startBackup,
  withControl,
  type StartRequest,
} from '../control/client.ts';
import type { ConnectOptions } from '../control/connection.ts';
import { HoldfastError } from '../errors.ts';
import { untilInterrupted } from './interruption.ts';
import {
  configFrom,
  controlFrom,
  durationOption,
  jsonOption,
  positiveDurationOption,
  type GlobalOptions,
} from './options.ts';
import { printJson, printLines } from './output.ts';

interface Options extends GlobalOptions {
  cluster: string;
  fast: boolean;
  waitForArchive: boolean;
  holdTimeout?: number;
  keep: boolean;
  annotations?: string;
  timeout?: number;
}

export function addStart(program: Command): void {
  program
    .command('start')
    .description('start a backup, and return once it is safe to copy (the pre-script)')
    .argument('[label]', 'its name (default: the UTC time and the id)')
    .option('--cluster <name>', 'which cluster', 'main')
    .option('--fast', 'an immediate checkpoint instead of a spread one', false)
    .option('--no-wait-for-archive', 'call it complete without waiting for its WAL to be archived')
    .option(
      '--hold-timeout <duration>',
      "how long the copy may take; 0: no limit (default: the worker's)",
      durationOption,
    )
    .option('--keep', 'never expire it', false)
    .option('--annotations <json>', 'anything to note', jsonOption)
    .option(
      '--timeout <duration>',
      'cancel it and exit with 3 when it has not started by then',
      positiveDurationOption,
    )
    .action(async (label: string | undefined, _: object, command: Command) => {
      const options = command.optsWithGlobals<Options>();
      const request: StartRequest = {
        label: label ?? null,
        cluster: options.cluster,
        fast: options.fast,
        waitForArchive: options.waitForArchive,
        holdTimeout: options.holdTimeout ?? null,
        keep: options.keep,
        annotations: options.annotations ?? null,
        timeout: options.timeout ?? null,
      };
      const started = await start(controlFrom(configFrom(options), 'start'), request);
      if (options.json === true) await printJson({ id: started.id, start_lsn: started.startLsn });
      else await printLines([`id ${started.id}`, `start_lsn ${started.startLsn}`]);
    });
}

/** Interrupted, it cancels the request, also when that comes too late for the server to do it. */
function start(control: ConnectOptions, request: StartRequest): Promise<{ id: number; startLsn: string }> {
  return untilInterrupted((signal) =>
    withControl(control, async (db) => {
      const started = await interruptible(db, control, signal, () => startBackup(db, request));
      if (!signal.aborted) return started;
      const { id } = started;
      await cancelBackup(db, { id, label: null, cluster: request.cluster, timeout: null });
      throw new HoldfastError('failed', `interrupted: backup request ${id} is cancelled`, {
        code: 'interrupted',
      });
    }),
  );
}
