/** The WAL segments that a restore reads on its way to the target, each held against the one before it. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { formatLsn } from '../postgres/lsn.ts';
import { parseSegmentName } from '../postgres/wal-segment.ts';
import { readCompressedFile } from '../repository/compressed-file.ts';
import { archivedPath } from '../repository/wal-archive.ts';
import { findBreak, type SegmentFile } from '../postgres/segment-chain.ts';
import type { StoredBackup } from '../repository/catalog.ts';
import type { RecoveryTarget } from './recovery-target.ts';
import { fileFor, type ArchiveContents, type WalSpan } from './wal-path.ts';

export interface ChainOnPath {
  backup: StoredBackup;
  clusterDirectory: string;
  path: readonly WalSpan[];
  target: RecoveryTarget;
  archived: ArchiveContents['segments'];
  /** Beside the backup. */
  own: ReadonlySet<string>;
}

/** Why recovery would end on the way; undefined: the WAL holds together. */
export async function brokenChainOnPath(way: ChainOnPath): Promise<HoldfastError | undefined> {
  const { walSegmentSize } = way.backup.description;
  const files = await filesOn(way);
  try {
    const found = await findBreak(files, {
      segmentSize: walSegmentSize,
      read: readCompressedFile,
      spans: way.path,
    });
    if (found === undefined) return undefined;
    const lsn = formatLsn(parseSegmentName(found.after, walSegmentSize).number * BigInt(walSegmentSize));
    return new HoldfastError('failed', `${found.reason}: recovery would end there`, {
      code: 'wal_chain_broken',
      hint: `put the segment of the right server into the archive, choose a later backup or --target-lsn ${lsn} or earlier, or go on with --despite-missing-wal`,
    });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return new HoldfastError('failed', error.message, {
      code: 'archive_damaged',
      hint: 'put a good copy of the file there, choose another backup or an earlier target, or go on with --despite-missing-wal',
      cause: error,
    });
  }
}

/** As far as they follow each other, and as the target needs them. */
async function filesOn(way: ChainOnPath): Promise<SegmentFile[]> {
  const { backup, clusterDirectory, path, archived, own } = way;
  const { startWal, stopWal, walSegmentSize } = backup.description;
  const ofBackup = parseSegmentName(stopWal, walSegmentSize).number;
  const files: SegmentFile[] = [];
  for (let { number } = parseSegmentName(startWal, walSegmentSize); ; number += 1n) {
    const name = fileFor(number, path, walSegmentSize);
    const file = archived.has(name)
      ? archivedPath(clusterDirectory, name)
      : own.has(name)
        ? join(backup.directory, 'pg_wal', `${name}.zst`)
        : undefined;
    if (file === undefined) return files;
    files.push({ name, path: file });
    if (number >= ofBackup && (await reaches(way.target, number, file, walSegmentSize))) return files;
  }
}

/** Whether a target is reached with that segment for certain. */
async function reaches(
  target: RecoveryTarget,
  number: bigint,
  file: string,
  segmentSize: number,
): Promise<boolean> {
  if (target.kind === 'immediate') return true;
  if (target.kind === 'lsn') return (number + 1n) * BigInt(segmentSize) >= target.lsn;
  if (target.kind !== 'time') return false;
  const stats = await stat(file).catch(() => undefined);
  return stats !== undefined && BigInt(Math.floor(stats.mtimeMs)) * 1000n >= target.at.microseconds;
}
