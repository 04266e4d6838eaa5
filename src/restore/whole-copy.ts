/** Whether label, pg_control and description of a backup belong together, once all of it has been read. */
import { HoldfastError, messageOf } from '../errors.ts';
import { parseBackupLabel } from '../postgres/backup-label.ts';
import { parseControlFile } from '../postgres/pg-control.ts';
import { mismatch } from './belongs-together.ts';
import type { StoredBackup } from './stored-backup.ts';

/** `files`: PG_VERSION, global/pg_control and backup_label. @throws HoldfastError `backup_damaged` */
export function refuseWrongFiles(files: ReadonlyMap<string, Buffer>, backup: StoredBackup): void {
  const reason = wrongFiles(files, backup);
  if (reason === undefined) return;
  throw new HoldfastError('failed', `"${backup.directory}" cannot be restored: ${reason}`, {
    code: 'backup_damaged',
    hint: 'restore another backup: "holdfast verify --all" says which ones are sound',
  });
}

/** Why they do not belong together; undefined when they do. */
export function wrongFiles(
  files: ReadonlyMap<string, Buffer>,
  { description }: StoredBackup,
): string | undefined {
  const file = (name: string) => files.get(name) ?? Buffer.alloc(0);
  try {
    const major = Number.parseInt(file('PG_VERSION').toString('latin1'), 10);
    const control = parseControlFile(file('global/pg_control'));
    return mismatch({ major, control }, description, parseBackupLabel(file('backup_label')));
  } catch (error) {
    return `of pg_control and backup_label, one does not make sense: ${messageOf(error)}`;
  }
}
