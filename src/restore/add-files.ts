/**
 * Adds files to an extracted backup: WAL segments, backup_manifest, the recovery settings, and pg_control
 * last.
 */
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { crc32c } from '../postgres/crc32c.ts';
import { withoutIncrementalLines } from '../postgres/backup-label.ts';
import { parseControlFile } from '../postgres/pg-control.ts';
import { greaterParameters, type RequiredParameters } from '../postgres/required-parameters.ts';
import { readCompressed } from '../repository/compressed-file.ts';
import { fsyncDirectory } from '../system/durable-files.ts';
import { entryName } from '../repository/backup-name.ts';
import { addToAutoConf, configuredIn } from '../recovery/auto-conf.ts';
import { writeOwned, type FileOwnership } from '../recovery/owned-files.ts';
import { recoverySettings, type RecoveryChoice } from '../recovery/recovery-settings.ts';
import { serverSettings } from './server-settings.ts';
import type { StoredBackup } from '../repository/catalog.ts';
import { openRegularFile } from '../system/regular-file.ts';

/** Path below the data directory. */
export const controlFile = 'global/pg_control';

/** An extracted backup, and the files that a restore adds. */
export interface RestoredFiles {
  backup: StoredBackup;
  /** The path under which the data directory is written. */
  directory: string;
  /** The path under which pg_wal is written; undefined if pg_wal is in the data directory. */
  wal: string | undefined;
  /** Segments that are copied from the pg_wal directory of the backup. */
  fromBackup: readonly string[];
  recovery: RecoveryChoice;
  /** Settings of the primary in the WAL after the backup; undefined if no setting has changed since. */
  required?: RequiredParameters | undefined;
}

/**
 * Decompresses the backup's own WAL segments into pg_wal.
 * @throws HoldfastError `backup_damaged`
 */
export async function addBackupWal(
  { backup, directory, wal, fromBackup }: RestoredFiles,
  owned: FileOwnership,
): Promise<void> {
  // Never through the symbolic link pg_wal: the owner of a directory above the target could redirect the
  // link.
  const to = wal ?? join(directory, 'pg_wal');
  for (const name of fromBackup) {
    const path = join(backup.directory, 'pg_wal', `${name}.zst`);
    try {
      await decompressTo(join(to, name), path, backup.description.walSegmentSize, owned);
    } catch (error) {
      throw new HoldfastError('failed', `"${path}" cannot be restored: ${messageOf(error)}`, {
        code: 'backup_damaged',
        cause: error,
      });
    }
  }
}

/**
 * Copies backup_manifest, and checks that the manifest is the one that the files were checked against. The
 * file in the repository may have been replaced meanwhile.
 * @throws HoldfastError `backup_damaged`
 */
export async function addManifest({ backup, directory }: RestoredFiles, owned: FileOwnership): Promise<void> {
  const from = join(backup.directory, 'backup_manifest');
  let checksum = 0;
  const content = async function* () {
    const file = await openRegularFile(from);
    for await (const bytes of file.createReadStream() as AsyncIterable<Buffer>) {
      checksum = crc32c(bytes, checksum);
      yield bytes;
    }
  };
  await writeOwned(join(directory, 'backup_manifest'), content(), owned);
  if (checksum === backup.description.manifestCrc32c) return;
  throw new HoldfastError('failed', `"${from}" has changed while it was restored`, {
    code: 'backup_damaged',
  });
}

/** Writes backup_label as the server made it, without the lines by which a server refuses an incremental backup. */
export async function addWholeLabel(
  { directory }: RestoredFiles,
  label: Buffer | undefined,
  owned: FileOwnership,
): Promise<void> {
  const whole = withoutIncrementalLines(label ?? Buffer.alloc(0));
  await writeOwned(join(directory, 'backup_label'), whole, owned);
}

async function decompressTo(to: string, from: string, size: number, owned: FileOwnership): Promise<void> {
  const file = await openRegularFile(from);
  try {
    await writeOwned(to, readCompressed(file, size), owned);
  } finally {
    await file.close();
  }
}

/** Appends the recovery settings to postgresql.auto.conf, and creates recovery.signal or standby.signal. */
export async function addSettings(
  { backup, directory, recovery, required }: RestoredFiles,
  control: Buffer | undefined,
  owned: FileOwnership,
): Promise<void> {
  const { required: atFirst } = parseControlFile(control ?? Buffer.alloc(0));
  const needs = {
    major: Number.parseInt(backup.description.serverVersion, 10),
    required: greaterParameters(atFirst, required ?? atFirst),
    configured: await configuredIn(directory),
  };
  const settings = [...recoverySettings(recovery), ...serverSettings(recovery, needs)];
  const comment = `holdfast restore of backup ${entryName(backup.description)}, ${new Date().toISOString()}`;
  await addToAutoConf({ directory, settings, comment, owned });
  const signal = recovery.standby ? 'standby.signal' : 'recovery.signal';
  await writeOwned(join(directory, signal), Buffer.alloc(0), owned);
}

/** Writes pg_control durably. A server can start on the data directory from then on. */
export async function addControlFile(
  directory: string,
  bytes: Buffer | undefined,
  owned: FileOwnership,
): Promise<void> {
  await mkdir(join(directory, 'global'), { recursive: true });
  const file = join(directory, controlFile);
  await writeOwned(`${file}.restoring`, bytes ?? Buffer.alloc(0), owned, { sync: true });
  await rename(`${file}.restoring`, file);
  await fsyncDirectory(join(directory, 'global'));
}
