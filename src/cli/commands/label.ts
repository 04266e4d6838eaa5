/** `holdfast label`: writes backup_label and tablespace_map of a backup into a directory. */
import type { Command } from 'commander';
import { findLabel } from '../../labels/find-label.ts';
import type { LabelledBackup } from '../../labels/labelled-backup.ts';
import { isIncrementalLabel, labelFitting } from '../../labels/whole-label.ts';
import { makeDirectory, writeLabelFiles } from '../../labels/write-label.ts';
import { configFrom, controlFrom, idOption, type GlobalOptions } from '../options.ts';
import { printJson, printLines } from '../render/output.ts';
import { plain } from '../../plain.ts';

/** The options that select where a label is read from. */
export interface WhereOptions extends GlobalOptions {
  /** The only label directory to search. */
  fromLabels?: string;
  /** The only repository to search. */
  fromRepository?: string;
  cluster?: string;
  latest: boolean;
}

interface Options extends WhereOptions {
  to: string;
}

/** Adds `holdfast label` to the program. */
export function addLabel(program: Command): void {
  const command = program
    .command('label')
    .description('write the backup_label and tablespace_map of a backup into a directory, byte for byte')
    .argument('<id>', "the backup's id", idOption)
    .requiredOption('--to <directory>', 'where to; files of other backups are never overwritten')
    .action(async (requestId: number, _: object, self: Command) => {
      const options = self.optsWithGlobals<Options>();
      const stored = await backupById(requestId, options, 'label');
      await makeDirectory(options.to);
      const backup = await labelFitting(stored, options.to);
      const files = await writeLabelFiles(options.to, backup);
      const { id: backupId, cluster, label } = backup.description;
      if (isIncrementalLabel(backup)) warnOfIncremental(backupId);
      if (options.json === true) {
        await printJson({
          id: backupId,
          cluster,
          label,
          state: backup.state ?? null,
          source: backup.source,
          files,
        });
      } else {
        await printLines([
          `backup ${backupId} "${plain(label)}" of cluster ${cluster}, from ${plain(backup.source)}`,
          ...files.map((file) => `written: ${file}`),
        ]);
      }
    });
  addWhere(command);
}

/** PostgreSQL starts with no such label. */
function warnOfIncremental(id: number): void {
  process.stderr.write(
    `holdfast: warning: backup ${id} is an incremental copy, and this is the label of that copy alone\n` +
      `  hint: restore it with "holdfast restore ${id}"; for a data directory that pg_combinebackup has made, use "holdfast place ${id}"\n`,
  );
}

/** Adds the options that select where the label of a backup with a given id is read from. */
export function addWhere(command: Command): void {
  command
    .option('--from-labels <directory>', 'ask this label directory, and not the control database')
    .option('--from-repository <directory>', 'ask this repository, and not the control database')
    .option('--cluster <name>', 'where several backups have the id: the one of this cluster')
    .option('--latest', 'likewise: the latest one', false);
}

/**
 * Finds a backup by the id of its request: in the control database, the label directory and the repository,
 * or only where the options say. Warns on standard error if the backup is not complete. `command`: the name of
 * the command, for application_name.
 */
export async function backupById(
  requestId: number,
  options: WhereOptions,
  command: string,
): Promise<LabelledBackup> {
  const config = configFrom(options);
  const chosen = options.fromLabels !== undefined || options.fromRepository !== undefined;
  const backup = await findLabel(requestId, {
    control: chosen ? undefined : controlFrom(config, command),
    labels: options.fromLabels ?? (chosen ? undefined : config.worker.labels),
    repository: options.fromRepository ?? (chosen ? undefined : config.worker.repository),
    cluster: options.cluster,
    latest: options.latest,
  });
  if (backup.state !== undefined && backup.state !== 'complete') {
    process.stderr.write(
      `holdfast: warning: backup ${requestId} is ${backup.state}, not complete\n` +
        `  hint: wait until all WAL from ${backup.description.startWal} to ${backup.description.stopWal} is archived before you restore it: "holdfast status ${requestId}" says when\n`,
    );
  }
  return backup;
}
