/** Opens a file that PostgreSQL wants archived, and checks that the content fits the name. */
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { UnknownFormatError } from '../postgres/unknown-format-error.ts';
import { checkSegment, segmentHeaderBytes, type SegmentHeader } from '../postgres/wal-header.ts';
import { isSegmentSize } from '../postgres/wal-segment.ts';
import { readFully } from '../repository/compressed-file.ts';
import { isCompressed, walFileKind, type WalFileKind } from '../repository/wal-archive.ts';
import { orClose } from '../system/or-close.ts';
import { openRegularFile } from '../system/regular-file.ts';

/** An open file to archive. */
export interface SourceFile {
  path: string;
  name: string;
  kind: WalFileKind;
  file: FileHandle;
  /** Bytes. */
  size: number;
  /** undefined for history files, and for segments in an unknown format. */
  header: SegmentHeader | undefined;
  /** The message of the UnknownFormatError; undefined where the format is known. */
  unknownFormat: string | undefined;
}

/**
 * Opens a file to archive.
 * @throws HoldfastError where the name is not that of a WAL file, the file cannot be read, or the content is not the
 * segment of that name
 */
export async function openSource(path: string): Promise<SourceFile> {
  const name = basename(path);
  const kind = walFileKind(name);
  if (kind === undefined) throw notWal(name);
  const file = await openRegularFile(path).catch((error: unknown) => {
    throw walUnreadable(path, error);
  });
  return orClose(file, async () => {
    const { size } = await file.stat();
    const found = isCompressed(kind) ? await checkedHeader(file, path, name, size) : undefined;
    const isUnknown = typeof found === 'string';
    const header = isUnknown ? undefined : found;
    return { path, name, kind, file, size, header, unknownFormat: isUnknown ? found : undefined };
  });
}

/** The error for a file of pg_wal that cannot be read. */
export function walUnreadable(path: string, cause: unknown): HoldfastError {
  return new HoldfastError('failed', `"${path}" cannot be read: ${messageOf(cause)}`, {
    code: 'wal_unreadable',
    hint: 'pass %p on as it is, and from the data directory: PostgreSQL runs archive_command there, and %p is relative to it',
    cause,
  });
}

/** The error for a name that is not that of a WAL file. */
export function notWal(name: string): HoldfastError {
  return new HoldfastError('usage', `"${name}" is not the name of a WAL file`, {
    code: 'not_wal',
    hint: 'write holdfast wal push "%p" into archive_command, and holdfast wal fetch "%f" "%p" into restore_command',
  });
}

async function checkedHeader(
  file: FileHandle,
  path: string,
  name: string,
  size: number,
): Promise<SegmentHeader | string> {
  try {
    const bytes = Buffer.alloc(segmentHeaderBytes);
    await readFully(file, bytes, 0);
    return checkSegment(bytes, size, { name: name.slice(0, 24) });
  } catch (error) {
    // The server would run out of space if WAL of a later version were refused.
    if (error instanceof UnknownFormatError && isSegmentSize(size)) return error.message;
    if (!(error instanceof RangeError))
      throw 'syscall' in (error as object) ? walUnreadable(path, error) : error;
    throw new HoldfastError('failed', `"${path}" is not the WAL segment ${name}: ${error.message}`, {
      code: 'not_that_segment',
      hint: 'see which program has written the file: PostgreSQL does not write such a file',
      cause: error,
    });
  }
}

const identifierBytes = 8;

/**
 * Returns the system identifier of the data directory whose pg_wal contains `path`, from global/pg_control
 * (src/include/catalog/pg_control.h: system_identifier comes first); undefined where there is no pg_control.
 */
export async function systemAround(path: string): Promise<string | undefined> {
  const control = join(dirname(dirname(path)), 'global/pg_control');
  const file = await openRegularFile(control).catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    const bytes = Buffer.alloc(identifierBytes);
    await readFully(file, bytes, 0);
    return bytes.readBigUInt64LE(0).toString();
  } finally {
    await file.close();
  }
}
