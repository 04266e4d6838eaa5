/**
 * The label of an incremental copy. As the copy is stored, two lines of its label say where the changes begin, and
 * PostgreSQL refuses to start with them. pg_combinebackup needs these lines, and the data directory that it makes of the
 * chain has a label without them.
 */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { withoutIncrementalLines } from '../postgres/backup-label.ts';
import { pathOfIncremental } from '../postgres/incremental-file.ts';
import type { LabelledBackup } from './labelled-backup.ts';

/** Whether the label is of an incremental copy, and has the two lines. */
export function isIncrementalLabel({ label }: Pick<LabelledBackup, 'label'>): boolean {
  return !withoutIncrementalLines(label).equals(label);
}

/**
 * Returns the backup with the label that belongs into a whole data directory.
 * @throws HoldfastError `copy_mismatch` where the directory is an incremental copy that has not been combined
 */
export async function wholeLabel(backup: LabelledBackup, dataDirectory: string): Promise<LabelledBackup> {
  if (!isIncrementalLabel(backup)) return backup;
  if (await hasIncrementalFiles(dataDirectory)) throw notCombined(backup, dataDirectory);
  return { ...backup, label: withoutIncrementalLines(backup.label) };
}

/** Returns the backup with the label that belongs into the directory: byte for byte, unless a whole cluster is there. */
export async function labelFitting(backup: LabelledBackup, directory: string): Promise<LabelledBackup> {
  const isWhole = existsSync(join(directory, 'PG_VERSION')) && !(await hasIncrementalFiles(directory));
  return isWhole ? { ...backup, label: withoutIncrementalLines(backup.label) } : backup;
}

/** Every incremental copy has such files: most of the catalogs have not changed. */
async function hasIncrementalFiles(dataDirectory: string): Promise<boolean> {
  const databases = (await namesIn(join(dataDirectory, 'base'))).map((name) => `base/${name}`);
  for (const directory of ['global', ...databases]) {
    const names = await namesIn(join(dataDirectory, directory));
    if (names.some((name) => pathOfIncremental(`${directory}/${name}`) !== undefined)) return true;
  }
  return false;
}

function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => []);
}

function notCombined({ description }: LabelledBackup, dataDirectory: string): HoldfastError {
  const { id, label } = description;
  return new HoldfastError(
    'failed',
    `"${dataDirectory}" is the incremental copy ${id} "${label}" alone, without what has not changed since the copies before it`,
    {
      code: 'copy_mismatch',
      hint: `restore the whole chain with "holdfast restore ${id}", or combine its copies with pg_combinebackup, and place the label into what that has made`,
    },
  );
}
