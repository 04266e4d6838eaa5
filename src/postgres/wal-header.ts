/**
 * Parses the header of a WAL segment's first page, which is a long page header (src/include/access/xlog_internal.h:
 * XLogLongPageHeaderData). Little-endian, as on all platforms for which PostgreSQL packages exist.
 */
import { hasWalMagic, isLong, longPageHeader, refuseUnknownMagic } from './wal-page.ts';
import { isSegmentSize, parseSegmentName } from './wal-segment.ts';

/** The fields of the header. */
export interface SegmentHeader {
  /**
   * The timeline on which the first page was written. After a timeline switch within the segment, an earlier timeline
   * than the one in the name.
   */
  timeline: number;
  /** The LSN at which the segment begins. */
  address: bigint;
  /** A 64-bit number as text, in the form in which the server shows it. */
  systemIdentifier: string;
  /** Bytes. */
  segmentSize: number;
}

/** The bytes of the header. */
export const segmentHeaderBytes = longPageHeader;

/** Parses the header. @throws RangeError with the problem; UnknownFormatError for WAL of other versions */
export function parseSegmentHeader(bytes: Buffer): SegmentHeader {
  if (bytes.length < segmentHeaderBytes) throw new RangeError(`it has only ${bytes.length} bytes`);
  refuseUnknownMagic(bytes);
  if (!hasWalMagic(bytes) || (bytes.readUInt16LE(2) & isLong) === 0) {
    throw new RangeError('it does not begin as a WAL segment does');
  }
  const segmentSize = bytes.readUInt32LE(32);
  if (!isSegmentSize(segmentSize)) {
    throw new RangeError(`its header has the impossible segment size ${segmentSize}`);
  }
  return {
    timeline: bytes.readUInt32LE(4),
    address: bytes.readBigUInt64LE(8),
    systemIdentifier: bytes.readBigUInt64LE(24).toString(),
    segmentSize,
  };
}

/** What is known of a segment. */
export interface ExpectedSegment {
  /** The name of the segment. */
  name: string;
  /** Bytes. undefined: the size is known from the header only. */
  segmentSize?: number;
  /** undefined: not known. */
  systemIdentifier?: string;
}

/**
 * Returns why this is not the header of the segment; undefined where it is. A recycled file begins with the header of
 * an older segment. The first page may be of an earlier timeline: at a timeline switch, the server copies the beginning
 * of the old segment.
 */
export function headerMismatch(header: SegmentHeader, expected: ExpectedSegment): string | undefined {
  const { name, segmentSize = header.segmentSize, systemIdentifier = header.systemIdentifier } = expected;
  if (header.systemIdentifier !== systemIdentifier)
    return `it is of the system ${header.systemIdentifier}, not of ${systemIdentifier}`;
  if (header.segmentSize !== segmentSize)
    return `its header says ${header.segmentSize} bytes, not ${segmentSize}`;
  const named = parseSegmentName(name, segmentSize);
  if (named.number * BigInt(segmentSize) !== header.address || header.timeline > named.timeline)
    return 'it is another segment than its name says';
  return undefined;
}

/**
 * Parses the header of a segment file and checks the header and the size of the file.
 * @throws RangeError with the problem; UnknownFormatError for WAL of other versions
 */
export function checkSegment(beginning: Buffer, size: number, expected: ExpectedSegment): SegmentHeader {
  const { segmentSize } = expected;
  if (segmentSize !== undefined && size !== segmentSize)
    throw new RangeError(`it holds ${size} bytes, not ${segmentSize}`);
  const header = parseSegmentHeader(beginning);
  if (size !== header.segmentSize && segmentSize === undefined)
    throw new RangeError(`it has ${size} bytes, and its header says ${header.segmentSize}`);
  const problem = headerMismatch(header, expected);
  if (problem !== undefined) throw new RangeError(problem);
  return header;
}

/** Whether the file that begins with these bytes is the segment, begun by the server. */
export function isBeginningOf(beginning: Buffer, expected: ExpectedSegment): boolean {
  try {
    return headerMismatch(parseSegmentHeader(beginning), expected) === undefined;
  } catch {
    return false; // a segment that is preallocated or recycled for later use, or not begun
  }
}
