/**
 * Reads the WAL that a recovery is going to replay, from the start of a backup along the chosen timelines to
 * the point where PostgreSQL stops (src/backend/access/transam/xlogrecovery.c: recoveryStopsBefore,
 * recoveryStopsAfter).
 */
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { parseLsn } from '../postgres/lsn.ts';
import {
  changedParameters,
  createdTablespace,
  droppedTablespace,
  endedTransaction,
  recoveryRecordBytes,
  restorePointName,
  type TablespaceCreation,
  type EndedTransaction,
} from '../postgres/recovery-records.ts';
import type { RequiredParameters } from '../postgres/required-parameters.ts';
import { unsupportedFormat } from '../postgres/unknown-format-error.ts';
import { WalRecords, type WalRecord } from '../postgres/wal-records.ts';
import { parseSegmentName } from '../postgres/wal-segment.ts';
import { readCompressed } from '../repository/compressed-file.ts';
import type { StoredBackup } from '../repository/catalog.ts';
import type { RepositoryBackup } from '../repository/repository-backup.ts';
import { archivedPath } from '../repository/wal-archive.ts';
import type { RecoveryTarget } from './recovery-target.ts';
import { fileFor } from './wal-path.ts';
import type { TimelineSpan } from '../postgres/timeline-history.ts';
import { openRegularFile } from '../system/regular-file.ts';

/** An event that replay would meet in the WAL. */
export type WalEvent =
  /** Records after this event are in the segment `name`. */
  | { kind: 'segment'; name: string }
  /**
   * Creation of a tablespace. `after` is the time of the last commit or abort before (microseconds since
   * 1970), undefined if there was none.
   */
  | ({ kind: 'tablespace'; lsn: bigint; after: bigint | undefined } & TablespaceCreation)
  /** Removal of a tablespace. */
  | { kind: 'dropped'; oid: string }
  /** Changed settings of the primary. */
  | { kind: 'parameters'; required: RequiredParameters }
  /**
   * Recovery ends here. `lsn`: the record at which the target was found; undefined if recovery ends at the end of the
   * backup.
   */
  | { kind: 'target'; lsn: bigint | undefined };

/** The recovery of a backup in the repository. */
export interface WalAheadOptions {
  choice: {
    backup: StoredBackup;
    /** The timelines of recovery, oldest first. */
    path: readonly TimelineSpan[];
  };
  clusterDirectory: string;
  target: RecoveryTarget;
  signal?: AbortSignal | undefined;
}

/** The recovery of any base backup. */
export interface WalOfCopy {
  backup: Pick<RepositoryBackup, 'startWal' | 'stopWal' | 'startLsn' | 'stopLsn' | 'walSegmentSize'>;
  /** The timelines of recovery, oldest first. */
  path: readonly TimelineSpan[];
  target: RecoveryTarget;
  /** In the order in which recovery would look for a segment. */
  sources: readonly WalEventSource[];
  signal?: AbortSignal | undefined;
}

/** A place that may have a segment, and how to read the segment. */
export interface WalEventSource {
  pathOf: (name: string) => string;
  read: (file: FileHandle, size: number) => AsyncIterable<Buffer>;
}

/**
 * The events in the WAL of a backup in the repository, until the WAL ends or the target is reached.
 * @throws HoldfastError `archive_damaged`, `unsupported_version`
 */
export function walAhead({ choice, clusterDirectory, ...rest }: WalAheadOptions): AsyncGenerator<WalEvent> {
  const { description, directory } = choice.backup;
  const own = { pathOf: (name: string) => join(directory, 'pg_wal', `${name}.zst`), read: readCompressed };
  return walOfCopy({
    ...rest,
    backup: description,
    path: choice.path,
    sources: [archiveIn(clusterDirectory), own],
  });
}

/** The WAL archive of a cluster as a source of segments. */
export function archiveIn(clusterDirectory: string): WalEventSource {
  return { pathOf: (name) => archivedPath(clusterDirectory, name), read: readCompressed };
}

/**
 * The events in the WAL of any base backup, including one that another tool made.
 * @throws HoldfastError `archive_damaged`, `unsupported_version`
 */
export async function* walOfCopy(options: WalOfCopy): AsyncGenerator<WalEvent> {
  const { backup, path, target, sources, signal } = options;
  const { startWal, stopWal, startLsn, stopLsn, walSegmentSize } = backup;
  const records = new WalRecords(recoveryRecordBytes);
  const replay = new Replay(target, parseLsn(startLsn), parseLsn(stopLsn));
  const end = target.kind === 'immediate' ? parseSegmentName(stopWal, walSegmentSize).number : undefined;
  for (
    let { number } = parseSegmentName(startWal, walSegmentSize);
    end === undefined || number <= end;
    number += 1n
  ) {
    signal?.throwIfAborted();
    const name = fileFor(number, path, walSegmentSize);
    const found = await openFirst(sources, name);
    if (found === undefined) return;
    yield { kind: 'segment', name };
    const at = number * BigInt(walSegmentSize);
    yield* eventsIn(found, name, { records, replay, at, size: walSegmentSize });
    if (replay.hasEnded) break;
  }
  yield { kind: 'target', lsn: replay.endedAt };
}

interface Reading {
  records: WalRecords;
  replay: Replay;
  /** LSN of the first byte of the segment. */
  at: bigint;
  /** Bytes. */
  size: number;
}

async function* eventsIn(
  { file, read }: Opened,
  name: string,
  { records, replay, at: address, size }: Reading,
): AsyncGenerator<WalEvent> {
  let at = address;
  let pageSize = 0;
  try {
    for await (const pages of read(file, size)) {
      if (at === address) pageSize = pages.readUInt32LE(36);
      for (const record of records.in(pages, at, pageSize)) {
        const event = replay.meet(record);
        if (event !== undefined) yield event;
        if (replay.hasEnded) return;
      }
      at += BigInt(pages.length);
    }
  } catch (error) {
    throw unsupportedFormat(error, name) ?? (error instanceof RangeError ? damaged(name, error) : error);
  } finally {
    await file.close();
  }
}

/** Follows the records as replay would, and tells when recovery ends. */
class Replay {
  readonly #target: RecoveryTarget;
  readonly #from: bigint;
  readonly #consistent: bigint;
  #lastEnd: bigint | undefined;
  #endedAt: bigint | undefined;

  constructor(target: RecoveryTarget, from: bigint, consistent: bigint) {
    this.#target = target;
    this.#from = from;
    this.#consistent = consistent;
  }

  /** The record at which recovery ends; undefined as long as recovery goes on. */
  get endedAt(): bigint | undefined {
    return this.#endedAt;
  }

  get hasEnded(): boolean {
    return this.#endedAt !== undefined;
  }

  meet(record: WalRecord): WalEvent | undefined {
    const { lsn } = record;
    if (lsn < this.#from) return undefined;
    const target = this.#target;
    if (target.kind === 'immediate' && lsn >= this.#consistent) this.#endedAt = lsn;
    if (target.kind === 'lsn' && lsn >= target.lsn) {
      this.#endedAt = lsn;
      if (target.exclusive) return undefined;
    }
    const ended = endedTransaction(record);
    if (ended !== undefined) {
      if (isReached(target, ended)) this.#endedAt = lsn;
      else this.#lastEnd = ended.at;
      return undefined;
    }
    if (target.kind === 'name' && restorePointName(record) === Buffer.from(target.name).toString('latin1'))
      this.#endedAt = lsn;
    const tablespace = createdTablespace(record);
    if (tablespace !== undefined) return { kind: 'tablespace', lsn, after: this.#lastEnd, ...tablespace };
    const dropped = droppedTablespace(record);
    if (dropped !== undefined) return { kind: 'dropped', oid: dropped };
    const required = changedParameters(record);
    return required && { kind: 'parameters', required };
  }
}

/**
 * Whether the end of this transaction is the target. For a transaction ID, inclusive and exclusive give the
 * same result, because the two stopping points differ only by the commit or abort record itself.
 */
function isReached(target: RecoveryTarget, { xid, at }: EndedTransaction): boolean {
  if (target.kind === 'xid')
    return xid !== undefined && BigInt(xid) === BigInt.asUintN(32, BigInt(target.xid));
  if (target.kind !== 'time') return false;
  return target.exclusive ? at >= target.at.microseconds : at > target.at.microseconds;
}

interface Opened extends Pick<WalEventSource, 'read'> {
  file: FileHandle;
}

async function openFirst(sources: readonly WalEventSource[], name: string): Promise<Opened | undefined> {
  for (const { pathOf, read } of sources) {
    const file = await openRegularFile(pathOf(name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (file !== undefined) return { file, read };
  }
  return undefined;
}

function damaged(name: string, error: RangeError): HoldfastError {
  return new HoldfastError('failed', `the WAL segment ${name} is damaged: ${error.message}`, {
    code: 'archive_damaged',
    hint: 'rename a good copy over the segment in the archive: recovery cannot go beyond that segment',
    cause: error,
  });
}
