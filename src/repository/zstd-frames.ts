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
 * Bytes of content that are held in memory at once for one frame of a WAL file. Ours have 2 MB; a segment that somebody
 * has compressed by hand may be a frame as a whole.
 */
export const largestFrame = 64 << 20;
/** As zstd writes it: what does not get smaller is stored in blocks of at most 128 kB, each with a header. */
export const longestStored = (size: number) => size + (size >>> 8) + 1024;

/**
 * The frame that begins the buffer; undefined: the buffer ends before it does.
 * @throws RangeError for what is not a frame, for one without content size and checksum, and for one that says or takes
 * more than such a file can have: what is read may be anybody's
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
  // Two bytes begin to count at 256: one byte would have done below.
  return bytes.readUIntLE(at, length) + (length === 2 ? 256 : 0);
}
