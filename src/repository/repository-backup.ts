/** backup.json of a backup in the repository: what the label directory's has, and how the copy is stored. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { parseDescription, type BackupDescription } from './label-entry.ts';

export interface RepositoryBackup extends BackupDescription {
  version: 1;
  method: 'copy';
  dataDirectory: string;
  blockSize: number;
  walSegmentSize: number;
  relationSegmentBlocks: number;
  checksums: boolean;
  compressLevel: number;
  bytes: number;
  storedBytes: number;
  files: number;
  tablespaces: { oid: number; path: string; tar: string }[];
  tars: { name: string; bytes: number; size: number; frames: number }[];
  damagedPages: { file: string; block: number }[];
  manifestCrc32c: number;
  framesCrc32c: number;
}

/** @throws HoldfastError naming the file and what is wrong with it */
export function parseRepositoryBackup(file: string, bytes: Buffer): RepositoryBackup {
  const description = parseDescription(file, bytes) as RepositoryBackup;
  if (description.version !== 1)
    throw new HoldfastError('failed', `"${file}" is of version ${String(description.version)}`);
  return description;
}

/** The finished backups, oldest first. */
export async function listBackups(clusterDirectory: string): Promise<RepositoryBackup[]> {
  const directory = join(clusterDirectory, 'backups');
  const names = new Set(await readdir(directory).catch(() => []));
  const listed = [...names].filter((name) => names.has(`${name}.meta`)).sort();
  return Promise.all(
    listed.map(async (name) => {
      const file = join(directory, `${name}.meta`, 'backup.json');
      return parseRepositoryBackup(file, await readFile(file));
    }),
  );
}
