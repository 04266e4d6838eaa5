/**
 * Reads the manifest and the frame index of a backup. Both files are checked against the checksums in backup.json.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import { crc32c } from '../postgres/crc32c.ts';
import { parseManifest, type Manifest } from '../postgres/read-manifest.ts';
import { releaseBuffer } from '../system/release-buffer.ts';
import type { StoredBackup } from './catalog.ts';
import { readFrameIndex, type FrameEntry } from './frame-index.ts';
import { backupDamaged, refuseUnreadable } from './repository-errors.ts';
import { longestText, readSmallFile } from '../system/small-file.ts';

/** The manifest and the frame index of a backup. */
export interface BackupInventory {
  manifest: Manifest;
  frames: FrameEntry[];
}

/**
 * Reads the manifest and the frame index.
 * @throws HoldfastError `backup_damaged`, with the file and the problem; `repository_unreadable`
 */
export async function readInventory(backup: StoredBackup): Promise<BackupInventory> {
  return { manifest: await readManifest(backup), frames: await readFrames(backup) };
}

/** Reads backup_manifest. @throws HoldfastError `backup_damaged`, `repository_unreadable` */
export function readManifest({ description, directory }: StoredBackup): Promise<Manifest> {
  return checked(join(directory, 'backup_manifest'), description.manifestCrc32c, parseManifest);
}

/**
 * Reads the frame index and checks the index against the sizes of the tars.
 * @throws HoldfastError `backup_damaged`, `repository_unreadable`
 */
export function readFrames(backup: StoredBackup): Promise<FrameEntry[]> {
  const { description, meta } = backup;
  return checked(join(meta, 'frames.jsonl'), description.framesCrc32c, async (bytes) => {
    const frames = readFrameIndex(bytes.toString('utf8'));
    await checkIndex(frames, backup);
    return frames;
  });
}

async function checked<T>(
  file: string,
  expected: number,
  parse: (bytes: Buffer) => T | Promise<T>,
): Promise<T> {
  try {
    const bytes = await readSmallFile(file, { most: longestText });
    if (crc32c(bytes) !== expected) throw new RangeError('its CRC-32C is not the one in backup.json');
    const parsed = await parse(bytes);
    releaseBuffer(bytes);
    return parsed;
  } catch (error) {
    refuseUnreadable(file, error);
    throw backupDamaged(`"${file}" cannot be used: ${messageOf(error)}`, error);
  }
}

/** Checks that the frames cover every tar from the first byte to the last, without gaps. @throws RangeError */
async function checkIndex(
  frames: readonly FrameEntry[],
  { description, directory }: StoredBackup,
): Promise<void> {
  const ends = new Map(description.tars.map(({ name }) => [name, 0]));
  for (const { tar, offset, length } of frames) {
    if (ends.get(tar) !== offset)
      throw new RangeError(`a frame of ${tar} begins at ${offset}, not at ${ends.get(tar)}`);
    ends.set(tar, offset + length);
  }
  for (const { name, bytes } of description.tars) {
    if (ends.get(name) !== bytes)
      throw new RangeError(`${name} ends at ${ends.get(name)} there, at ${bytes} in backup.json`);
    const { size } = await stat(join(directory, name));
    if (size !== bytes) throw new RangeError(`${name} has ${size} bytes instead of ${bytes}`);
  }
}
