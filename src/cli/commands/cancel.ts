/** `holdfast cancel`: cancels a backup request. */
import type { Command } from 'commander';
import { cancelBackup, withControl } from '../../control/control-client.ts';
import { configFrom, controlFrom, idOption } from '../options.ts';
import { printJson, printLines } from '../render/output.ts';
import { addWhichBackupOptions, whichBackup, type WhichBackupOptions } from '../which-backup.ts';

interface Options extends WhichBackupOptions {
  label?: string;
}

/** Adds `holdfast cancel` to the program. */
export function addCancel(program: Command): void {
  const command = program
    .command('cancel')
    .description('cancel a backup that is not finished')
    .argument('[id]', 'its id', idOption)
    .option('--label <label>', 'or its label');
  addWhichBackupOptions(command, 'how long to wait for somebody who has its row locked').action(
    async (requestId: number | undefined, _: object, self: Command) => {
      const options = self.optsWithGlobals<Options>();
      const which = whichBackup(options, { id: requestId, label: options.label });
      const control = controlFrom(configFrom(options), 'cancel');
      const cancelled = await withControl(control, (db) => cancelBackup(db, which));
      if (options.json === true) await printJson({ id: cancelled, state: 'cancelled' });
      else await printLines([`backup ${cancelled} is cancelled`]);
    },
  );
}
