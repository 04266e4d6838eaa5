/**
 * Files of independent zstd frames of about 2 MB, each with content size and checksum. Every zstd implementation
 * reads such a file as one stream. Here, libuv's threads compress or decompress several frames at once.
 */
import type { FileHandle } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { constants, createZstdCompress, zstdDecompress } from 'node:zlib';
import { releaseBuffer } from '../system/release-buffer.ts';
import { messageOf } from '../errors.ts';
import { firstFrame, longestStored } from './zstd-frames.ts';
import { zstdParameters } from './zstd-parameters.ts';
import { openRegularFile } from '../system/regular-file.ts';

/** Bytes of content in a frame. */
export const frameSize = 2 << 20;
/** Frames processed at once: one for each processor and one that waits, but no more than libuv has threads. */
const atOnce = Math.min(4, availableParallelism() + 1);
/** Bytes read from a compressed file at once. */
export const readAtOnce = 4 << 20;
/** Bytes written at once. The limit is that of write-at.ts; each write here is also a round trip to a thread. */
const writtenAtOnce = 128 << 10;

const decompress = promisify(zstdDecompress);

/** What was to be compressed could not be read, as opposed to the compressed file, which could not be written. */
export class SourceError extends Error {
  constructor(cause: unknown, path?: string) {
    super(path === undefined ? messageOf(cause) : `cannot read "${path}": ${messageOf(cause)}`, { cause });
  }
}

/**
 * Compresses the first `size` bytes of `source` and appends the frames to `target`. Of several calls at once, one
 * compresses after the other: a file that is complete early can be synced while the next one is compressed.
 * @throws SourceError where the file system of `source` fails; RangeError where `source` is too short
 */
export async function writeCompressed(
  source: FileHandle,
  size: number,
  target: FileHandle,
  level: number,
): Promise<void> {
  const free: Buffer[] = []; // reused, as new memory is slower
  const endTurn = await turn();
  try {
    const frames = inOrder(
      frameRanges(size, endTurn),
      () => false,
      async ({ offset, length }) => {
        const buffer = free.pop() ?? Buffer.allocUnsafeSlow(Math.min(frameSize, size));
        const content = buffer.subarray(0, length);
        await readFully(source, content, offset).catch((error: unknown) => {
          throw error instanceof RangeError ? error : new SourceError(error);
        });
        const frame = await compressFrame(content, level);
        free.push(buffer);
        return frame;
      },
    );
    for await (const frame of frames) {
      await writeFully(target, frame);
      releaseBuffer(frame);
    }
  } finally {
    endTurn();
    for (const buffer of free) releaseBuffer(buffer);
  }
}

/** Resolved when the last call of writeCompressed() has begun its last frame. */
let lastTurn: Promise<void> = Promise.resolve();

/** Waits for the calls before; resolves to the function that lets the next one begin. */
async function turn(): Promise<() => void> {
  const before = lastTurn;
  const { promise, resolve } = Promise.withResolvers<void>();
  lastTurn = promise;
  await before;
  return resolve;
}

/**
 * Compresses one frame. zstd gets all of the content and room for all of the frame in one call: then it compresses from
 * the one to the other, and copies nothing through buffers of its own.
 */
function compressFrame(content: Buffer, level: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const stream = createZstdCompress({
      chunkSize: longestStored(content.length),
      flush: constants.ZSTD_e_end,
      params: zstdParameters(level, 'wal'),
    });
    stream.once('error', reject);
    stream.once('data', (frame: Buffer) => {
      stream.destroy();
      if (firstFrame(frame)?.length === frame.length) resolve(frame);
      else reject(new Error('zstd has not written a frame in one piece'));
    });
    stream.write(content);
  });
}

/**
 * Yields the checked content frame by frame. A yielded buffer is valid until the next one is requested.
 * @throws RangeError where the file is not in this format, is truncated or damaged, or has more than `limit` bytes of
 * content
 */
export async function* readCompressed(source: FileHandle, limit: number): AsyncGenerator<Buffer> {
  for await (const content of inOrder(compressedFrames(source, limit), isLarge, decompressFrame)) {
    yield content;
    releaseBuffer(content);
  }
}

/** The same as `readCompressed()`, for a file given by its path. */
export async function* readCompressedFile(path: string, limit: number): AsyncGenerator<Buffer> {
  const file = await openRegularFile(path);
  try {
    yield* readCompressed(file, limit);
  } finally {
    await file.close();
  }
}

/** Whether Holdfast cannot have written this frame. Several such frames at once would take too much memory. */
function isLarge({ size }: CompressedFrame): boolean {
  return size > 2 * frameSize;
}

async function decompressFrame({ bytes, size, chunk }: FrameInChunk): Promise<Buffer> {
  let content: Buffer;
  try {
    // With exactly enough room, zstd would need a second round to find the end of the frame.
    content = await decompress(bytes, { chunkSize: size + 64, maxOutputLength: size + 64 });
  } catch (error) {
    throw new RangeError(`a zstd frame is damaged: ${(error as Error).message}`, { cause: error });
  } finally {
    chunk.letGo();
  }
  if (content.length !== size) throw new RangeError('a zstd frame is not as long as it says');
  return content;
}

interface CompressedFrame {
  bytes: Buffer;
  size: number;
}

/** A part of a compressed file in memory, which is freed when its reader and all of its frames have let go of it. */
class Chunk {
  readonly bytes: Buffer;
  #holders = 1;

  constructor(length: number) {
    this.bytes = Buffer.allocUnsafeSlow(length);
  }

  hold(): void {
    this.#holders += 1;
  }

  letGo(): void {
    this.#holders -= 1;
    if (this.#holders === 0) releaseBuffer(this.bytes);
  }
}

/** A frame that has to let go of its chunk once. */
interface FrameInChunk extends CompressedFrame {
  chunk: Chunk;
}

/** Reads to the end of the file, whatever size the file is said to have: an error of the disk is found by reading. */
async function* compressedFrames(source: FileHandle, limit: number): AsyncGenerator<FrameInChunk> {
  const content = { size: 0, limit };
  let bytesAtOnce = readAtOnce;
  for (let position = 0; ;) {
    const chunk = new Chunk(bytesAtOnce);
    const read = await readUpTo(source, chunk.bytes, position);
    let length = 0;
    for (const frame of framesIn(chunk.bytes.subarray(0, read), content)) {
      length += frame.bytes.length;
      chunk.hold();
      yield { ...frame, chunk };
    }
    chunk.letGo();
    position += length;
    if (read < bytesAtOnce && length === read) return;
    if (length > 0) continue;
    if (read < bytesAtOnce) throw cutOff();
    bytesAtOnce *= 2;
  }
}

/**
 * Yields the whole frames at the beginning of `bytes`, and returns their length. `content`: the bytes of content in all
 * frames so far, and the limit.
 * @throws RangeError where there is no frame, or too much content
 */
export function* framesIn(
  bytes: Buffer,
  content: { size: number; readonly limit: number },
): Generator<CompressedFrame, number> {
  let at = 0;
  for (let frame; (frame = firstFrame(bytes.subarray(at))) !== undefined; at += frame.length) {
    content.size += frame.size;
    if (content.size > content.limit) throw tooLong(content.limit);
    yield { bytes: bytes.subarray(at, at + frame.length), size: frame.size };
  }
  return at;
}

/** The error for content that is longer than `limit` bytes. */
const tooLong = (limit: number) => new RangeError(`it holds more than ${limit} bytes`);
/** The error for a file that ends within a frame. */
export const cutOff = () => new RangeError('it is cut off within a zstd frame');

/**
 * Processes several items at once, or one item alone where `isAlone` says so. Yields the results in the order of the
 * items.
 */
async function* inOrder<Item, Result>(
  items: Iterable<Item> | AsyncIterable<Item>,
  isAlone: (item: Item) => boolean,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const underWay: Promise<Result>[] = [];
  for await (const item of items) {
    if (isAlone(item)) {
      for (const result of underWay.splice(0)) yield await result;
      yield await work(item);
      continue;
    }
    const result = work(item);
    result.catch(() => undefined); // Either this promise is awaited below, or an earlier one has failed.
    underWay.push(result);
    const oldest = underWay.length >= atOnce ? underWay.shift() : undefined;
    if (oldest !== undefined) yield await oldest;
  }
  for (const result of underWay) yield await result;
}

/** The ranges of a file of `size` bytes that become one frame each, in bytes. `atEnd` is called behind the last one. */
function* frameRanges(size: number, atEnd: () => void): Generator<{ offset: number; length: number }> {
  for (let offset = 0; offset < size; offset += frameSize)
    yield { offset, length: Math.min(frameSize, size - offset) };
  atEnd();
}

/** Fills `into` from `position` of the file. @throws RangeError where the file ends before the buffer is full */
export async function readFully(file: FileHandle, into: Buffer, position: number): Promise<void> {
  const read = await readUpTo(file, into, position);
  if (read < into.length) throw new RangeError(`it ends after ${position + read} bytes`);
}

/** Fills `into` from `position` of the file, as far as the file goes. Returns the number of bytes. */
async function readUpTo(file: FileHandle, into: Buffer, position: number): Promise<number> {
  let at = 0;
  while (at < into.length) {
    const { bytesRead } = await file.read(into, at, into.length - at, position + at);
    if (bytesRead === 0) break;
    at += bytesRead;
  }
  return at;
}

/** Appends all of `bytes` to the file. */
export async function writeFully(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, at, Math.min(writtenAtOnce, bytes.length - at));
    at += bytesWritten;
  }
}
