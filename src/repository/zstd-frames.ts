/**
 * Concatenated zstd frames, one at a time (RFC 8878, section 3.1). Node's decompression ends at the end of the
 * first frame without a word about the rest, so where each one ends is found here.
 */

export interface Frame {
  /** Bytes that it takes in the file. */
  length: number;
  /** Bytes that it holds. */
  size: number;
}

const magic = 0xfd2fb528;
const blockHeaderBytes = 3;
const checksumBytes = 4;
const runLengthBlock = 1;

/**
 * The frame that begins the buffer; undefined: the buffer ends before it does.
 * @throws RangeError for what is no frame, or one without content size and checksum
 */
export function firstFrame(bytes: Buffer): Frame | undefined {
  if (bytes.length < 6) return undefined;
  if (bytes.readUInt32LE(0) !== magic) throw new RangeError('there is no zstd frame where one should begin');
  const { at: afterHeader, size } = frameHeader(bytes) ?? {};
  if (afterHeader === undefined || size === undefined) return undefined;
  for (let at = afterHeader; at + blockHeaderBytes <= bytes.length;) {
    const header = bytes.readUIntLE(at, blockHeaderBytes);
    const isRunLength = ((header >> 1) & 3) === runLengthBlock;
    at += blockHeaderBytes + (isRunLength ? 1 : header >> 3);
    if ((header & 1) === 0) continue;
    const length = at + checksumBytes;
    return length <= bytes.length ? { length, size } : undefined;
  }
  return undefined;
}

function frameHeader(bytes: Buffer): { at: number; size: number } | undefined {
  const descriptor = bytes.readUInt8(4);
  const singleSegment = (descriptor & 0x20) !== 0;
  if ((descriptor & 0x04) === 0) throw new RangeError('a zstd frame has no checksum');
  const sizeFlag = descriptor >> 6;
  if (sizeFlag === 0 && !singleSegment) throw new RangeError('a zstd frame does not say its size');
  const sizeBytes = [1, 2, 4, 8][sizeFlag] ?? 1;
  const sizeAt = 5 + (singleSegment ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] ?? 0);
  if (sizeAt + sizeBytes > bytes.length) return undefined;
  return { at: sizeAt + sizeBytes, size: contentSize(bytes, sizeAt, sizeBytes) };
}

function contentSize(bytes: Buffer, at: number, length: number): number {
  if (length === 8) return Number(bytes.readBigUInt64LE(at));
  // Two bytes begin to count at 256: one byte would have done below.
  return bytes.readUIntLE(at, length) + (length === 2 ? 256 : 0);
}
