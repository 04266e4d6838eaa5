/**
 * Files in zstd frames (compressed-file.ts), made and read by a thread that may keep itself busy: in one call of zstd for
 * a frame, which is quicker than the pieces in which it works for others.
 */
import { readSync } from 'node:fs';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { cutOff, frameRanges, frameSize, readAtOnce, tooLong } from './compressed-file.ts';
import { releaseBuffer } from '../system/release-buffer.ts';
import { writeAt } from '../system/write-at.ts';
import { firstFrame } from './zstd-frames.ts';

/** The content of the file `source`, from its beginning to `size`, becomes the file `target`. */
export function writeCompressedHere(source: number, size: number, target: number, level: number): void {
  const buffer = Buffer.allocUnsafeSlow(Math.min(frameSize, size));
  let written = 0;
  for (const { offset, length } of frameRanges(size)) {
    const content = buffer.subarray(0, length);
    readHere(source, content, offset);
    const frame = compressHere(content, level);
    writeAt(target, frame, written);
    written += frame.length;
    releaseBuffer(frame);
  }
}

/** With room for all of it, so that zstd notes the size in the frame. */
export function compressHere(content: Buffer, level: number): Buffer {
  return zstdCompressSync(content, {
    chunkSize: content.length + (content.length >>> 8) + 1024,
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_checksumFlag]: 1,
      [constants.ZSTD_c_contentSizeFlag]: 1,
    },
  });
}

/**
 * The content, frame by frame, checked; each is good until the next is asked for.
 * @throws RangeError for what is no such file, is cut off, damaged, or holds more than `limit` bytes
 */
export function* readCompressedHere(source: number, limit: number): Generator<Buffer> {
  for (const { bytes, size } of framesHere(source, limit)) {
    const content = decompressHere(bytes, size);
    yield content;
    releaseBuffer(content);
  }
}

/** The content of the last frame alone, checked. @throws RangeError as above */
export function readLastHere(source: number, limit: number): Buffer {
  let last: { bytes: Buffer; size: number } | undefined;
  for (const frame of framesHere(source, limit)) last = frame;
  return last === undefined ? Buffer.alloc(0) : decompressHere(last.bytes, last.size);
}

/** Not decompressed; each is good until the next is asked for. */
function* framesHere(source: number, limit: number): Generator<{ bytes: Buffer; size: number }> {
  let chunk = Buffer.allocUnsafeSlow(readAtOnce);
  let sum = 0;
  for (let position = 0; ;) {
    const bytes = readUpTo(source, chunk, position);
    if (bytes.length === 0) return;
    let at = 0;
    for (let frame; (frame = firstFrame(bytes.subarray(at))) !== undefined; at += frame.length) {
      sum += frame.size;
      if (sum > limit) throw tooLong(limit);
      yield { bytes: bytes.subarray(at, at + frame.length), size: frame.size };
    }
    if (at === 0 && bytes.length < chunk.length) throw cutOff();
    if (at === 0) chunk = Buffer.allocUnsafeSlow(2 * chunk.length);
    position += at;
  }
}

/** One frame. @throws RangeError where it is damaged, or not of that size */
export function decompressHere(frame: Buffer, size: number): Buffer {
  let content: Buffer;
  try {
    // One buffer for all of it: a chunk that is a little larger than what comes out.
    content = zstdDecompressSync(frame, { chunkSize: size + 64, maxOutputLength: size + 1 });
  } catch (error) {
    throw new RangeError(`a zstd frame is damaged: ${(error as Error).message}`, { cause: error });
  }
  if (content.length !== size)
    throw new RangeError(`a zstd frame has ${content.length} bytes instead of ${size}`);
  return content;
}

function readHere(fd: number, into: Buffer, position: number): void {
  const { length } = readUpTo(fd, into, position);
  if (length < into.length) throw new RangeError(`it ends after ${position + length} bytes`);
}

/** Fewer bytes than there is room for: the file ends there. */
function readUpTo(fd: number, into: Buffer, position: number): Buffer {
  let at = 0;
  while (at < into.length) {
    const read = readSync(fd, into, at, into.length - at, position + at);
    if (read === 0) break;
    at += read;
  }
  return into.subarray(0, at);
}
