/**
 * The first page of a WAL segment, whose header is a long one (src/include/access/xlog_internal.h:
 * XLogLongPageHeaderData). Little-endian, as on every platform that PostgreSQL's packages are built for.
 */

export interface SegmentHeader {
  /** The timeline on which the first page was written: an earlier one than the name's after a switch in mid-segment. */
  timeline: number;
  /** Where the segment begins in the WAL. */
  address: bigint;
  /** A 64-bit number as text, as the server shows it. */
  systemIdentifier: string;
  /** Bytes. */
  segmentSize: number;
}

/** What has to be read of a segment to know its header. */
export const segmentHeaderBytes = 40;

const longHeader = 0x0002;
/** XLOG_PAGE_MAGIC of every release from 12 on begins with this byte; the other one counts its changes. */
const magicOfPostgres = 0xd1;
const smallest = 1 << 20;
const largest = 1 << 30;

/** @throws RangeError saying what is wrong with it */
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
