/**
 * The WAL that a recovery is going to replay, read before it is: from a backup along the chosen timelines, up to where
 * PostgreSQL stops (src/backend/access/transam/xlogrecovery.c: recoveryStopsBefore, recoveryStopsAfter).
 */
import { open, type FileHandle } from 'node:fs/promises';
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
import { WalRecords, type WalRecord } from '../postgres/wal-records.ts';
import { parseSegmentName } from '../postgres/wal-segment.ts';
import { readCompressed } from '../repository/compressed-file.ts';
import type { RepositoryBackup } from '../repository/repository-backup.ts';
import { archivedPath } from '../repository/wal-archive.ts';
import type { RestorePlan } from './resolve-backup.ts';
import type { RecoveryTarget } from './recovery-target.ts';
import { fileFor, type WalSpan } from './wal-path.ts';

export type WalEvent =
  /** It is read from here on. */
  | { kind: 'segment'; name: string }
  | ({ kind: 'tablespace'; lsn: bigint; after: bigint | undefined } & TablespaceCreation)
  | { kind: 'dropped'; oid: string }
  | { kind: 'parameters'; required: RequiredParameters }
  /** Nothing after this is replayed. */
  | { kind: 'target' };

export interface WalAheadOptions {
  choice: Pick<RestorePlan, 'backup' | 'path'>;
  clusterDirectory: string;
  target: RecoveryTarget;
  signal?: AbortSignal | undefined;
}

export interface WalOfCopy {
  backup: Pick<RepositoryBackup, 'startWal' | 'stopWal' | 'startLsn' | 'stopLsn' | 'walSegmentSize'>;
  path: readonly WalSpan[];
  target: RecoveryTarget;
  /** In the order in which recovery would look for a segment. */
  sources: readonly WalEventSource[];
  signal?: AbortSignal | undefined;
}

/** Where a segment is looked for. */
export interface WalEventSource {
  pathOf: (name: string) => string;
  read: (file: FileHandle, size: number) => AsyncIterable<Buffer>;
}

/** What replay meets. Ends with the WAL, or at the target. @throws HoldfastError `archive_damaged` */
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

export function archiveIn(clusterDirectory: string): WalEventSource {
  return { pathOf: (name) => archivedPath(clusterDirectory, name), read: readCompressed };
}

/** The same, of a copy that others made. @throws HoldfastError `archive_damaged` */
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
  yield { kind: 'target' };
}

interface Reading {
  records: WalRecords;
  replay: Replay;
  /** Where the segment begins. */
  at: bigint;
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
    throw error instanceof RangeError ? damaged(name, error) : error;
  } finally {
    await file.close();
  }
}

/** What is done with each record, and after which one no more of them are. */
class Replay {
  readonly #target: RecoveryTarget;
  readonly #from: bigint;
  readonly #consistent: bigint;
  #lastEnd: bigint | undefined;
  #hasEnded = false;

  constructor(target: RecoveryTarget, from: bigint, consistent: bigint) {
    this.#target = target;
    this.#from = from;
    this.#consistent = consistent;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  meet(record: WalRecord): WalEvent | undefined {
    const { lsn } = record;
    if (lsn < this.#from) return undefined;
    const target = this.#target;
    if (target.kind === 'immediate' && lsn >= this.#consistent) this.#hasEnded = true;
    if (target.kind === 'lsn' && lsn >= target.lsn) {
      this.#hasEnded = true;
      if (target.exclusive) return undefined;
    }
    const ended = endedTransaction(record);
    if (ended !== undefined) {
      if (isReached(target, ended)) this.#hasEnded = true;
      else this.#lastEnd = ended.at;
      return undefined;
    }
    if (target.kind === 'name' && restorePointName(record) === Buffer.from(target.name).toString('latin1'))
      this.#hasEnded = true;
    const tablespace = createdTablespace(record);
    if (tablespace !== undefined) return { kind: 'tablespace', lsn, after: this.#lastEnd, ...tablespace };
    const dropped = droppedTablespace(record);
    if (dropped !== undefined) return { kind: 'dropped', oid: dropped };
    const required = changedParameters(record);
    return required && { kind: 'parameters', required };
  }
}

/** Nothing else is between the two sides of a transaction's end, so exclusive or not is the same here. */
function isReached(target: RecoveryTarget, { xid, at }: EndedTransaction): boolean {
  if (target.kind === 'xid') return BigInt(xid) === BigInt.asUintN(32, BigInt(target.xid));
  if (target.kind !== 'time') return false;
  return target.exclusive ? at >= target.at.microseconds : at > target.at.microseconds;
}

interface Opened extends Pick<WalEventSource, 'read'> {
  file: FileHandle;
}

async function openFirst(sources: readonly WalEventSource[], name: string): Promise<Opened | undefined> {
  for (const { pathOf, read } of sources) {
    const file = await open(pathOf(name), 'r').catch((error: NodeJS.ErrnoException) => {
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
    hint: 'put a good copy of it into the archive: recovery cannot go beyond it',
    cause: error,
  });
}
