/**
 * Reads files of zstd frames (see compressed-file.ts), and compresses frames, in the calling thread, which is blocked
 * meanwhile.
 */
import { readSync } from 'node:fs';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { cutOff, readAtOnce, tooLong } from './compressed-file.ts';
import { releaseBuffer } from '../system/release-buffer.ts';
import { firstFrame, longestStored } from './zstd-frames.ts';

/**
 * Compresses one frame. The buffer is large enough for the whole frame, so that zstd records the content size in the
 * frame.
 */
export function compressHere(content: Buffer, level: number): Buffer {
  return zstdCompressSync(content, {
    chunkSize: longestStored(content.length),
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_checksumFlag]: 1,
      [constants.ZSTD_c_contentSizeFlag]: 1,
    },
  });
}

/**
 * Yields the checked content frame by frame. A yielded buffer is valid until the next one is requested.
 * @throws RangeError where the file is not in this format, is truncated or damaged, or has more than `limit` bytes of
 * content
 */
export function* readCompressedHere(source: number, limit: number): Generator<Buffer> {
  for (const { bytes, size } of framesHere(source, limit)) {
    const content = decompressHere(bytes, size);
    yield content;
    releaseBuffer(content);
  }
}

/** Returns the checked content of the last frame. @throws RangeError as `readCompressedHere()` */
export function readLastHere(source: number, limit: number): Buffer {
  let last: { bytes: Buffer; size: number } | undefined;
  for (const frame of framesHere(source, limit)) last = frame;
  return last === undefined ? Buffer.alloc(0) : decompressHere(last.bytes, last.size);
}

/** Yields the compressed frames. A yielded buffer is valid until the next one is requested. */
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

/** Decompresses one frame. @throws RangeError where the frame is damaged or does not have `size` bytes of content */
export function decompressHere(frame: Buffer, size: number): Buffer {
  let content: Buffer;
  try {
    // A chunk slightly larger than the content, so that zstd needs one buffer only.
    content = zstdDecompressSync(frame, { chunkSize: size + 64, maxOutputLength: size + 1 });
  } catch (error) {
    throw new RangeError(`a zstd frame is damaged: ${(error as Error).message}`, { cause: error });
  }
  if (content.length !== size)
    throw new RangeError(`a zstd frame has ${content.length} bytes instead of ${size}`);
  return content;
}

/** Fills `into`. Returns fewer bytes where the file ends earlier. */
function readUpTo(fd: number, into: Buffer, position: number): Buffer {
  let at = 0;
  while (at < into.length) {
    const read = readSync(fd, into, at, into.length - at, position + at);
    if (read === 0) break;
    at += read;
  }
  return into.subarray(0, at);
}
