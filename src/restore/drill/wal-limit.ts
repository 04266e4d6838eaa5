/**
 * How far a drill may replay. Where WAL creates a tablespace, replay makes its directory at that very place, or takes
 * over what is there: on the host of the cluster, the cluster's own files
 * (src/backend/commands/tablespace.c: create_tablespace_directories). A backup's tablespaces are put elsewhere; those
 * created since cannot be. So all WAL is read before any is replayed, and replay ends before the first of them.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../../errors.ts';
import { formatLsn, parseLsn } from '../../postgres/lsn.ts';
import { createdTablespace, tablespaceRecordBytes, WalRecords } from '../../postgres/wal-records.ts';
import { parseSegmentName } from '../../postgres/wal-segment.ts';
import { readCompressed } from '../../repository/compressed-file.ts';
import { archivedPath } from '../../repository/wal-archive.ts';
import type { Choice } from '../choose-backup.ts';
import type { Target } from '../target.ts';
import { fileFor } from '../wal-path.ts';

export interface WalLimit {
  /** The last segment that may be replayed. */
  last: string;
  /** Why no more; undefined: there was no more, or the target needs no more. */
  tablespace: CreatedTablespace | undefined;
}

export interface CreatedTablespace {
  /** Where it was created, one character a byte. */
  location: string;
  lsn: string;
}

export interface WalLimitOptions {
  choice: Choice;
  clusterDirectory: string;
  target: Target;
  signal: AbortSignal;
  onSegment: (name: string) => void;
}

/** @throws HoldfastError `tablespace_created` where the backup is not consistent without it */
export async function findWalLimit(options: WalLimitOptions): Promise<WalLimit> {
  const { choice, clusterDirectory, target, signal, onSegment } = options;
  const { description, directory } = choice.backup;
  const { startWal, stopWal, startLsn, stopLsn, walSegmentSize } = description;
  const records = new WalRecords(tablespaceRecordBytes);
  const end = lastNumber(target, stopWal, walSegmentSize);
  let { number } = parseSegmentName(startWal, walSegmentSize);
  let last = startWal;
  for (; end === undefined || number <= end; number += 1n) {
    signal.throwIfAborted();
    const name = fileFor(number, choice.path, walSegmentSize);
    const file =
      (await openIfThere(archivedPath(clusterDirectory, name))) ??
      (await openIfThere(join(directory, 'pg_wal', `${name}.zst`)));
    if (file === undefined) break;
    onSegment(name);
    const place = { address: number * BigInt(walSegmentSize), segmentSize: walSegmentSize };
    const tablespace = await firstCreated(file, name, records, { ...place, from: parseLsn(startLsn) });
    if (tablespace === undefined) last = name;
    else if (number <= parseSegmentName(stopWal, walSegmentSize).number)
      throw createdMeanwhile(tablespace, stopLsn);
    else return { last, tablespace };
  }
  return { last, tablespace: undefined };
}

/** The last segment that the target may need; undefined: nobody knows. */
function lastNumber(target: Target, stopWal: string, segmentSize: number): bigint | undefined {
  const ofBackup = parseSegmentName(stopWal, segmentSize).number;
  if (target.kind === 'immediate') return ofBackup;
  if (target.kind !== 'lsn') return undefined;
  const ofTarget = target.lsn / BigInt(segmentSize);
  return ofTarget > ofBackup ? ofTarget : ofBackup;
}

/** In a segment, of the records that replay meets. */
async function firstCreated(
  file: FileHandle,
  name: string,
  records: WalRecords,
  { address, segmentSize, from }: { address: bigint; segmentSize: number; from: bigint },
): Promise<CreatedTablespace | undefined> {
  let at = address;
  let pageSize = 0;
  try {
    for await (const pages of readCompressed(file, segmentSize)) {
      if (at === address) pageSize = pages.readUInt32LE(36);
      for (const record of records.in(pages, at, pageSize)) {
        const location = record.lsn >= from ? createdTablespace(record) : undefined;
        if (location !== undefined) return { location, lsn: formatLsn(record.lsn) };
      }
      at += BigInt(pages.length);
    }
    return undefined;
  } catch (error) {
    throw error instanceof RangeError ? damaged(name, error) : error;
  } finally {
    await file.close();
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  return open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}

function damaged(name: string, error: RangeError): HoldfastError {
  return new HoldfastError('failed', `the WAL segment ${name} is damaged: ${error.message}`, {
    code: 'archive_damaged',
    hint: 'recovery cannot go beyond it: put a good copy of it into the archive',
    cause: error,
  });
}

function createdMeanwhile({ location, lsn }: CreatedTablespace, stopLsn: string): HoldfastError {
  return new HoldfastError(
    'failed',
    `a tablespace was created in "${location}" at ${lsn}, before the backup ended at ${stopLsn}: a drill would write there`,
    { code: 'tablespace_created', hint: 'drill the next backup: that one has it' },
  );
}

/**
 * The same restore_command, which has nothing behind the last segment: for PostgreSQL the WAL ends there. Names are
 * compared without their timeline.
 */
export function limitedTo(last: string, restoreCommand: string): string {
  const beyond = `expr "x\${f#????????}" \\> x${last.slice(8)} > /dev/null && exit 1`;
  return `f="%f"; case "$f" in *.*) ;; *) ${beyond} ;; esac; ${restoreCommand}`;
}
