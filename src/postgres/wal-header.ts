/**
 * Parses the header of a WAL segment's first page, which is a long page header (src/include/access/xlog_internal.h:
 * XLogLongPageHeaderData). Little-endian, as on all platforms for which PostgreSQL packages exist.
 */

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
export const segmentHeaderBytes = 40;

const longHeader = 0x0002;
/** The high byte of XLOG_PAGE_MAGIC in all releases from 12 on; the low byte changes with the WAL format. */
const magicOfPostgres = 0xd1;
const smallest = 1 << 20;
const largest = 1 << 30;

/** Parses the header. @throws RangeError with the problem */
export function parseSegmentHeader(bytes: Buffer): SegmentHeader {
  if (bytes.length < segmentHeaderBytes) throw new RangeError(`it has only ${bytes.length} bytes`);
  if (bytes.readUInt16LE(0) >> 8 !== magicOfPostgres || (bytes.readUInt16LE(2) & longHeader) === 0) {
    throw new RangeError('it does not begin as a WAL segment does');
  }
  const segmentSize = bytes.readUInt32LE(32);
  if (segmentSize < smallest || segmentSize > largest || (segmentSize & (segmentSize - 1)) !== 0) {
    throw new RangeError(`its header has the impossible segment size ${segmentSize}`);
  }
  return {
    timeline: bytes.readUInt32LE(4),
    address: bytes.readBigUInt64LE(8),
    systemIdentifier: bytes.readBigUInt64LE(24).toString(),
    segmentSize,
  };
}
