import type { Command } from 'commander';
import type { Backup } from '../restore/backup.ts';
import { backupIn } from '../restore/find-backup.ts';
import { place, type Placed } from '../restore/place.ts';
import { plain } from './format.ts';
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
    .argument('<backup>', "the backup's id, or its directory in the label directory or the repository")
    .requiredOption('--data-directory <directory>', 'the restored copy')
    .action(async (which: string, _: object, self: Command) => {
      const options = self.optsWithGlobals<Options>();
      const backup = await find(which, options);
      const placed = await place(backup, options.dataDirectory);
      if (options.json === true) await printJson(asJson(backup, placed));
      else await printLines(described(backup, placed));
    });
  addWhere(command);
}

async function find(which: string, options: Options): Promise<Backup> {
  return /^\d+$/.test(which) ? backupById(idOption(which), options) : backupIn(which);
}

function asJson({ description, source }: Backup, { files, removed, tablespaces }: Placed): object {
  const { id, startWal, stopWal } = description;
  return { id, source, files, removed: removed ?? null, tablespaces, start_wal: startWal, stop_wal: stopWal };
}

function described({ description }: Backup, { files, removed, tablespaces }: Placed): string[] {
  const needed = tablespaces.map(
    ({ oid, location, exists }) =>
      `  the copy of tablespace ${oid} in ${plain(location)}, and no server's own there${exists ? '' : ' (there is nothing yet)'}`,
  );
  return [
    ...files.map((file) => `in place: ${file}`),
    ...(removed === undefined ? [] : [`removed: ${removed} (it came along with the copy)`]),
    'before its first start, the server needs:',
    ...needed,
    `  the WAL from ${description.startWal} to ${description.stopWal}: set restore_command, and create recovery.signal`,
  ];
}
