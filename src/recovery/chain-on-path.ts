/**
 * Checks the WAL segments that a recovery reads on the way to its target: each segment has to continue the
 * segment before.
 */
import { join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { formatLsn } from '../postgres/lsn.ts';
import { parseSegmentName } from '../postgres/wal-segment.ts';
import { readCompressedFile } from '../repository/compressed-file.ts';
import { archivedPath } from '../repository/wal-archive.ts';
import { findBreak, type SegmentFile } from '../postgres/segment-chain.ts';
import type { StoredBackup } from '../repository/catalog.ts';
import { fileFor } from './wal-path.ts';
import type { ArchiveContents } from '../repository/archive-content.ts';
import type { TimelineSpan } from '../postgres/timeline-history.ts';
import { unsupportedFormat } from '../postgres/unknown-format-error.ts';

/** The backup, the timelines and the segments of the recovery that is checked. */
export interface ChainOnPath {
  backup: StoredBackup;
  clusterDirectory: string;
  /** The timelines of recovery, oldest first. */
  path: readonly TimelineSpan[];
  /** The name of the segment with the target, or that of the backup's last one; undefined: all WAL is replayed. */
  last: string | undefined;
  /** Names of the segments in the WAL archive. */
  archived: ArchiveContents['segments'];
  /** Names of the segments in the pg_wal directory of the backup. */
  own: ReadonlySet<string>;
}

/** Why recovery would end before the target; undefined if the WAL is continuous. */
export async function brokenChainOnPath(way: ChainOnPath): Promise<HoldfastError | undefined> {
  const { walSegmentSize } = way.backup.description;
  const files = filesOn(way);
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
    const unsupported = unsupportedFormat(error, way.clusterDirectory);
    if (unsupported !== undefined) return unsupported;
    if (!(error instanceof RangeError)) throw error;
    return new HoldfastError('failed', error.message, {
      code: 'archive_damaged',
      hint: 'rename a good copy over the file, choose another backup or an earlier target, or go on with --despite-missing-wal',
      cause: error,
    });
  }
}

/**
 * The consecutive segments from the start of the backup to the segment with the target, or to the first segment that
 * is missing.
 */
function filesOn(way: ChainOnPath): SegmentFile[] {
  const { backup, clusterDirectory, path, archived, own } = way;
  const { startWal, walSegmentSize } = backup.description;
  const last = way.last === undefined ? undefined : parseSegmentName(way.last, walSegmentSize).number;
  const files: SegmentFile[] = [];
  for (
    let { number } = parseSegmentName(startWal, walSegmentSize);
    last === undefined || number <= last;
    number += 1n
  ) {
    const name = fileFor(number, path, walSegmentSize);
    const file = archived.has(name)
      ? archivedPath(clusterDirectory, name)
      : own.has(name)
        ? join(backup.directory, 'pg_wal', `${name}.zst`)
        : undefined;
    if (file === undefined) return files;
    files.push({ name, path: file });
  }
  return files;
}
