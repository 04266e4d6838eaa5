import type { Command } from 'commander';
import type { Backup } from '../restore/backup.ts';
import { readEntry } from '../restore/label-entries.ts';
import { place } from '../restore/place.ts';
import { addWhere, backupById, type WhereOptions } from './label.ts';
import { idOption } from './options.ts';
import { printJson, printLines } from './output.ts';

interface Options extends WhereOptions {
  dataDirectory: string;
}

export function addPlace(program: Command): void {
  const command = program
    .command('place')
    .description(
      "put a backup's label and map into a restored copy of the data directory, if they belong together",
    )
    .argument('<backup>', "the backup's id, or its directory in the label directory")
    .requiredOption('--data-directory <directory>', 'the restored copy')
    .action(async (which: string, _: object, self: Command) => {
      const options = self.optsWithGlobals<Options>();
      const backup = await find(which, options);
      const { files, removed } = await place(backup, options.dataDirectory);
      const { id: backupId, startWal, stopWal } = backup.description;
      if (options.json === true) {
        await printJson({
          id: backupId,
          source: backup.source,
          files,
          removed: removed ?? null,
          start_wal: startWal,
          stop_wal: stopWal,
        });
      } else {
        await printLines([
          ...files.map((file) => `written: ${file}`),
          ...(removed === undefined ? [] : [`removed: ${removed} (it came along with the copy)`]),
          `before the first start, the server needs the WAL from ${startWal} to ${stopWal}:`,
          '  set restore_command, and create the file recovery.signal in the data directory',
        ]);
      }
    });
  addWhere(command);
}

async function find(which: string, options: Options): Promise<Backup> {
  return /^\d+$/.test(which) ? backupById(idOption(which), options) : readEntry(which);
}
