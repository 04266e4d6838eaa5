/**
 * Files in independent zstd frames of about 2 MB, each with its content's size and checksum: any zstd reads them
 * as one stream, and here several are made or read at once, in libuv's threads.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';
import { constants, createZstdCompress, zstdDecompress } from 'node:zlib';
import { releaseBuffer } from '../system/release-buffer.ts';
import { firstFrame } from './zstd-frames.ts';

/** Bytes of content in a frame. */
export const frameSize = 2 << 20;
/** Frames under way at once: as many as libuv has threads. */
const atOnce = 4;
/** What zstd makes of a frame is rarely more, and where it is there are two rounds. */
const compressedChunk = 1 << 20;
export const readAtOnce = 4 << 20;
/** Bytes: as in write-at.ts, but that each takes a thread and back. */
const writtenAtOnce = 128 << 10;

const decompress = promisify(zstdDecompress);

/** The content of `source`, from its beginning to `size`, appended to `target`. */
export async function writeCompressed(
  source: FileHandle,
  size: number,
  target: FileHandle,
  level: number,
): Promise<void> {
  const free: Buffer[] = []; // memory that has been touched is quicker than new memory
  const frames = inOrder(
    frameRanges(size),
    () => false,
    async ({ offset, length }) => {
      const buffer = free.pop() ?? Buffer.allocUnsafeSlow(Math.min(frameSize, size));
      const content = buffer.subarray(0, length);
      await readFully(source, content, offset);
      const frame = await compressFrame(content, level);
      free.push(buffer);
      return frame;
    },
  );
  for await (const pieces of frames) {
    for (const piece of pieces) await writeFully(target, piece);
    for (const piece of pieces) releaseBuffer(piece);
  }
  for (const buffer of free) releaseBuffer(buffer);
}

/** In the pieces in which it comes: to put them together would leave the chunk behind in which they were. */
async function compressFrame(content: Buffer, level: number): Promise<Buffer[]> {
  const frame = createZstdCompress({
    chunkSize: compressedChunk,
    pledgedSrcSize: content.length,
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_checksumFlag]: 1,
    },
  });
  frame.end(content);
  const pieces: Buffer[] = [];
  for await (const piece of frame as AsyncIterable<Buffer>) pieces.push(piece);
  return pieces;
}

/**
 * The content, frame by frame, checked; each is good until the next is asked for.
 * @throws RangeError for what is no such file, is cut off, damaged, or holds more than `limit` bytes
 */
export async function* readCompressed(source: FileHandle, limit: number): AsyncGenerator<Buffer> {
  for await (const content of inOrder(compressedFrames(source, limit), isLarge, decompressFrame)) {
    yield content;
    releaseBuffer(content);
  }
}

/** The same, of a file by its name. */
export async function* readCompressedFile(path: string, limit: number): AsyncGenerator<Buffer> {
  const file = await open(path, 'r');
  try {
    yield* readCompressed(file, limit);
  } finally {
    await file.close();
  }
}

/** Not one that Holdfast has written: several of them at once would be too much memory. */
function isLarge({ size }: CompressedFrame): boolean {
  return size > 2 * frameSize;
}

async function decompressFrame({ bytes, size }: CompressedFrame): Promise<Buffer> {
  let content: Buffer;
  try {
    // With room to spare, or a second round would find out that there is no more.
    content = await decompress(bytes, { chunkSize: size + 64, maxOutputLength: size + 64 });
  } catch (error) {
    throw new RangeError(`a zstd frame is damaged: ${(error as Error).message}`, { cause: error });
  }
  if (content.length !== size) throw new RangeError('a zstd frame is not as long as it says');
  return content;
}

interface CompressedFrame {
  bytes: Buffer;
  size: number;
}

async function* compressedFrames(source: FileHandle, limit: number): AsyncGenerator<CompressedFrame> {
  let pending: Buffer = Buffer.alloc(0);
  let sum = 0;
  for (let position = 0; ;) {
    const frame = firstFrame(pending);
    if (frame === undefined) {
      const more = Buffer.allocUnsafeSlow(pending.length + readAtOnce);
      const { bytesRead } = await source.read(more, pending.length, readAtOnce, position);
      if (bytesRead === 0) break;
      position += bytesRead;
      more.set(pending);
      pending = more.subarray(0, pending.length + bytesRead);
      continue;
    }
    sum += frame.size;
    if (sum > limit) throw tooLong(limit);
    yield { bytes: pending.subarray(0, frame.length), size: frame.size };
    pending = pending.subarray(frame.length);
  }
  if (pending.length > 0) throw cutOff();
}

export const tooLong = (limit: number) => new RangeError(`it holds more than ${limit} bytes`);
export const cutOff = () => new RangeError('it is cut off within a zstd frame');

/** Works on several items at once, or on one alone, and yields the results in the items' order. */
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
    result.catch(() => undefined); // it is awaited, or an earlier one has failed
    underWay.push(result);
    const oldest = underWay.length >= atOnce ? underWay.shift() : undefined;
    if (oldest !== undefined) yield await oldest;
  }
  for (const result of underWay) yield await result;
}

export function* frameRanges(size: number): Generator<{ offset: number; length: number }> {
  for (let offset = 0; offset < size; offset += frameSize)
    yield { offset, length: Math.min(frameSize, size - offset) };
}

/** @throws RangeError where the file ends before the buffer is full */
export async function readFully(file: FileHandle, into: Buffer, position: number): Promise<void> {
  for (let at = 0; at < into.length;) {
    const { bytesRead } = await file.read(into, at, into.length - at, position + at);
    if (bytesRead === 0) throw new RangeError(`it ends after ${position + at} bytes`);
    at += bytesRead;
  }
}

export async function writeFully(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, at, Math.min(writtenAtOnce, bytes.length - at));
    at += bytesWritten;
  }
}
