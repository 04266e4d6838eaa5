/** `holdfast cancel`: cancels a backup request. */
import type { Command } from 'commander';
import { cancelBackup, withControl } from '../../control/control-client.ts';
import {
  type GlobalOptions,
  clusterOption,
  configFrom,
  controlFrom,
  exactlyOne,
  idOption,
  ofOneCluster,
  positiveDurationOption,
} from '../options.ts';
import { printJson, printLines } from '../render/output.ts';

interface Options extends GlobalOptions {
  label?: string;
  cluster: string;
  /** Milliseconds. */
  timeout?: number;
}

/** Adds `holdfast cancel` to the program. */
export function addCancel(program: Command): void {
  program
    .command('cancel')
    .description('cancel a backup that is not finished')
    .argument('[id]', 'its id', idOption)
    .option('--label <label>', 'or its label')
    .option(...clusterOption("the label's cluster"))
    .option(
      '--timeout <duration>',
      'how long to wait for somebody who has its row locked',
      positiveDurationOption,
    )
    .action(async (requestId: number | undefined, _: object, command: Command) => {
      const options = ofOneCluster(command.optsWithGlobals<Options>());
      exactlyOne(options.label, requestId);
      const control = controlFrom(configFrom(options), 'cancel');
      const which = {
        id: requestId ?? null,
        label: options.label ?? null,
        cluster: options.cluster,
        timeout: options.timeout ?? null,
      };
      const cancelled = await withControl(control, (db) => cancelBackup(db, which));
      if (options.json === true) await printJson({ id: cancelled, state: 'cancelled' });
      else await printLines([`backup ${cancelled} is cancelled`]);
    });
}
