/**
 * Finds the boundaries of concatenated zstd frames (RFC 8878, section 3.1). Node's decompression stops at the end of
 * the first frame and does not report the rest.
 */

/** A frame at the beginning of a buffer. */
export interface Frame {
  /** Bytes of the compressed frame. */
  length: number;
  /** Bytes of content. */
  size: number;
}

const magic = 0xfd2fb528;
const blockHeaderBytes = 3;
const checksumBytes = 4;
const runLengthBlock = 1;

/**
 * Bytes of content that one frame of a WAL file may hold, because a frame is decompressed in memory. Holdfast writes
 * frames of 2 MB; a segment compressed by hand may be one frame.
 */
export const largestFrame = 64 << 20;
/**
 * The longest frame for `size` bytes of content: zstd stores incompressible content in blocks of at most 128 kB, each
 * with a header. Bytes.
 */
export const longestStored = (size: number) => size + (size >>> 8) + 1024;

/**
 * Returns the frame at the beginning of `bytes`; undefined where the buffer ends within the frame.
 * @throws RangeError where there is no frame, or a frame without content size or checksum. The file may not be
 * Holdfast's, so a frame that is larger than `largestFrame`, or longer than its content size allows, is refused as
 * well.
 */
export function firstFrame(bytes: Buffer): Frame | undefined {
  if (bytes.length < 6) return undefined;
  if (bytes.readUInt32LE(0) !== magic) throw new RangeError('there is no zstd frame where one should begin');
  const { at: afterHeader, size } = frameHeader(bytes) ?? {};
  if (afterHeader === undefined || size === undefined) return undefined;
  if (size > largestFrame)
    throw new RangeError(`a zstd frame says that it holds ${size} bytes; at most ${largestFrame} are read`);
  for (let at = afterHeader; at + blockHeaderBytes <= bytes.length;) {
    const header = bytes.readUIntLE(at, blockHeaderBytes);
    const isRunLength = ((header >> 1) & 3) === runLengthBlock;
    at += blockHeaderBytes + (isRunLength ? 1 : header >> 3);
    if ((header & 1) === 0) continue;
    const length = at + checksumBytes;
    return length <= bytes.length ? { length, size } : undefined;
  }
  if (bytes.length > longestStored(size)) throw new RangeError('a zstd frame has no end');
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
  // A two-byte field stores the size minus 256, because smaller sizes fit in one byte.
  return bytes.readUIntLE(at, length) + (length === 2 ? 256 : 0);
}
