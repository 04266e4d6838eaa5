import type { Command } from 'commander';
import { interruptible, startBackup, withControl } from '../control/client.ts';
import { untilInterrupted } from './interruption.ts';
import { configFrom, controlFrom, duration, json, positiveDuration, type GlobalOptions } from './options.ts';
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
    .option('--hold-timeout <duration>', "how long the copy may take; 0: no limit (default: the worker's)", duration)
    .option('--keep', 'never expire it', false)
    .option('--annotations <json>', 'anything to note', json)
    .option('--timeout <duration>', 'cancel it and exit with 3 when it has not started by then', positiveDuration)
    .action(async (label: string | undefined, _: object, command: Command) => {
      const options = command.optsWithGlobals<Options>();
      const control = controlFrom(configFrom(options), 'start');
      const started = await untilInterrupted((signal) =>
        withControl(control, (db) =>
          interruptible(db, control, signal, () =>
            startBackup(db, {
              label: label ?? null,
              cluster: options.cluster,
              fast: options.fast,
              waitForArchive: options.waitForArchive,
              holdTimeout: options.holdTimeout ?? null,
              keep: options.keep,
              annotations: options.annotations ?? null,
              timeout: options.timeout ?? null,
            }),
          ),
        ),
      );
      if (options.json === true) await printJson({ id: started.id, start_lsn: started.startLsn });
      else await printLines([`id ${started.id}`, `start_lsn ${started.startLsn}`]);
    });
}
