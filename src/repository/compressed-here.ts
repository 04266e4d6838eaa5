/** Compresses and decompresses zstd frames (see compressed-file.ts) in the calling thread, which is blocked meanwhile. */
import { readSync } from 'node:fs';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { cutOff, framesIn, readAtOnce } from './compressed-file.ts';
import { longestStored } from './zstd-frames.ts';
import { zstdParameters } from './zstd-parameters.ts';

/**
 * Compresses one frame of pages. The buffer is large enough for the whole frame, so that zstd records the content size in the
 * frame.
 */
export function compressHere(content: Buffer, level: number): Buffer {
  return zstdCompressSync(content, {
    chunkSize: longestStored(content.length),
    params: zstdParameters(level, 'pages'),
  });
}

/**
 * Returns the checked content of the last frame of a file.
 * @throws RangeError where the file is not in this format, is truncated or damaged, or has more than `limit` bytes of
 * content
 */
export function readLastHere(source: number, limit: number): Buffer {
  const content = { size: 0, limit };
  let chunk = Buffer.allocUnsafeSlow(readAtOnce);
  let last: { bytes: Buffer; size: number } | undefined;
  for (let position = 0; ;) {
    const bytes = readUpTo(source, chunk, position);
    if (bytes.length === 0) break;
    const frames = [...framesIn(bytes, content)];
    const end = frames.at(-1);
    if (end === undefined && bytes.length < chunk.length) throw cutOff();
    if (end === undefined) chunk = Buffer.allocUnsafeSlow(2 * chunk.length);
    else last = { bytes: Buffer.from(end.bytes), size: end.size };
    position += frames.reduce((sum, frame) => sum + frame.bytes.length, 0);
  }
  return last === undefined ? Buffer.alloc(0) : decompressHere(last.bytes, last.size);
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
