/** What a restore adds to what it extracted: WAL, the manifest, the settings of the recovery, and pg_control at last. */
import { createReadStream } from 'node:fs';
import { mkdir, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { crc32c } from '../postgres/crc32c.ts';
import { parseControlFile } from '../postgres/pg-control.ts';
import { greaterParameters, type RequiredParameters } from '../postgres/required-parameters.ts';
import { readCompressed } from '../repository/compressed-file.ts';
import { fsyncDirectory } from '../system/durable-files.ts';
import { entryName } from '../repository/label-entry.ts';
import { addToAutoConf, configuredIn } from '../recovery/auto-conf.ts';
import { writeOwned, type FileOwnership } from '../recovery/owned-files.ts';
import { recoverySettings, type RecoveryChoice } from '../recovery/recovery-settings.ts';
import { serverSettings } from './server-settings.ts';
import type { StoredBackup } from '../repository/catalog.ts';

export const controlFile = 'global/pg_control';

/** Into what is restored. */
export interface RestoredFiles {
  backup: StoredBackup;
  /** The data directory, by which we write. */
  directory: string;
  /** Where pg_wal is, if not in the data directory. */
  wal: string | undefined;
  /** Segments that are taken from beside the backup. */
  fromBackup: readonly string[];
  recovery: RecoveryChoice;
  required?: RequiredParameters | undefined;
}

export async function addBackupWal(
  { backup, directory, wal, fromBackup }: RestoredFiles,
  owned: FileOwnership,
): Promise<void> {
  // Never through the link: whoever owns what is above its place could lead it elsewhere.
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

/** The one that the files were held against: what is in the repository may be another one by now. */
export async function addManifest({ backup, directory }: RestoredFiles, owned: FileOwnership): Promise<void> {
  const from = join(backup.directory, 'backup_manifest');
  let checksum = 0;
  const content = async function* () {
    for await (const bytes of createReadStream(from) as AsyncIterable<Buffer>) {
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

async function decompressTo(to: string, from: string, size: number, owned: FileOwnership): Promise<void> {
  const file = await open(from, 'r');
  try {
    await writeOwned(to, readCompressed(file, size), owned);
  } finally {
    await file.close();
  }
}

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
