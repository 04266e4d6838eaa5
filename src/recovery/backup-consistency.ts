/**
 * Checks whether backup_label, pg_control, tablespace_map, backup_manifest and backup.json of a backup belong
 * together. The check runs after all files of the backup have been read.
 */
import { messageOf } from '../errors.ts';
import { parseBackupLabel, type BackupLabel } from '../postgres/backup-label.ts';
import { isSameLsn, parseLsn } from '../postgres/lsn.ts';
import { parseControlFile, type ControlFile } from '../postgres/pg-control.ts';
import type { Manifest } from '../postgres/read-manifest.ts';
import { parseTablespaceMap, type MappedTablespace } from '../postgres/tablespace-map.ts';
import { UnknownFormatError } from '../postgres/unknown-format-error.ts';
import { parseSegmentName } from '../postgres/wal-segment.ts';
import type { RepositoryBackup } from '../repository/repository-backup.ts';
import { backupDamaged } from '../repository/repository-errors.ts';
import { labelMismatch } from '../repository/label-match.ts';
import type { StoredBackup } from '../repository/catalog.ts';

/**
 * Refuses a backup whose files contradict each other. `files` holds PG_VERSION, global/pg_control,
 * backup_label, and tablespace_map if the backup has one.
 * @throws HoldfastError `backup_damaged`
 */
export function refuseWrongFiles(
  files: ReadonlyMap<string, Buffer>,
  manifest: Manifest,
  backup: StoredBackup,
): void {
  const reason = wrongFiles(files, manifest, backup);
  if (reason === undefined) return;
  throw backupDamaged(`"${backup.directory}" cannot be restored: ${reason}`);
}

/** Why the files do not belong together; undefined if the files do. */
export function wrongFiles(
  files: ReadonlyMap<string, Buffer>,
  manifest: Manifest | undefined,
  { description }: StoredBackup,
): string | undefined {
  const file = (name: string) => files.get(name) ?? Buffer.alloc(0);
  try {
    const major = Number.parseInt(file('PG_VERSION').toString('latin1'), 10);
    const control = parseControlFile(file('global/pg_control'));
    const label = parseBackupLabel(file('backup_label'));
    return (
      labelMismatch({ major, control }, description, label) ??
      wrongDescription(description, { label, control, manifest }) ??
      strayTar(description, parseTablespaceMap(file('tablespace_map'), major))
    );
  } catch (error) {
    if (error instanceof UnknownFormatError) return error.in('global/pg_control').message;
    return `pg_control, backup_label or tablespace_map is damaged: ${messageOf(error)}`;
  }
}

/** What backup.json has to agree with. */
interface StatedInBackup {
  label: BackupLabel;
  control: ControlFile;
  manifest: Manifest | undefined;
}

/**
 * Compares backup.json with backup_label, pg_control and backup_manifest, because each states values that recovery
 * depends on.
 */
function wrongDescription(
  description: RepositoryBackup,
  { label, control, manifest }: StatedInBackup,
): string | undefined {
  const { startWal, stopWal, stopLsn, timeline, walSegmentSize } = description;
  const contradiction = (what: string) => `backup.json contradicts ${what}: one of them is damaged`;
  if (label.startWal !== startWal || label.startTimeline !== timeline) return contradiction('backup_label');
  if (!isOfParent(label, description)) return contradiction('backup_label');
  if (sizesOf.some((key) => description[key] !== control[key])) return contradiction('pg_control');
  const range = manifest?.walRanges.at(-1);
  if (range !== undefined && !isSameLsn(range.end, stopLsn)) return contradiction('backup_manifest');
  // A stop LSN at the first byte of a segment is the end of the segment before.
  const number = (parseLsn(stopLsn) - 1n) / BigInt(walSegmentSize);
  if (parseSegmentName(stopWal, walSegmentSize).number !== number) return contradiction('itself');
  return undefined;
}

const sizesOf = ['blockSize', 'walSegmentSize', 'relationSegmentBlocks', 'checksums'] as const;

/** Whether both say that it is a full copy, or of what it holds the changes. */
function isOfParent({ incrementalFrom }: BackupLabel, { incremental }: RepositoryBackup): boolean {
  if (incrementalFrom === undefined || incremental === undefined)
    return incrementalFrom === undefined && incremental === undefined;
  const { lsn, timeline } = incrementalFrom;
  return lsn === parseLsn(incremental.fromLsn) && timeline === incremental.fromTimeline;
}

/**
 * Finds a tar of a tablespace that tablespace_map does not list: the files of such a tar have no location.
 */
function strayTar({ tars }: RepositoryBackup, mapped: readonly MappedTablespace[]): string | undefined {
  const expected = ['base.tar.zst', ...mapped.map(({ oid }) => `${oid}.tar.zst`)];
  const stray = tars.find(({ name }) => !expected.includes(name));
  return stray && `${stray.name} is of no tablespace that is in tablespace_map`;
}
