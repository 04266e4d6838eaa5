/**
 * Builds the content of frames: reads files into buffers that are reused, with tar headers and padding between the
 * files. The pieces of large files are read ahead, while the frame before is compressed.
 */
import { closeSync, readSync } from 'node:fs';
import { encodeHeader, tarPadding } from '../../repository/tar.ts';
import { crc32c } from '../../postgres/crc32c.ts';
import { runsOf } from '../../postgres/incremental-file.ts';
import { damagedPages, memoryForPages, type PageRules } from '../../postgres/page-checksum.ts';
import { CopyError } from './copy-error.ts';
import { toText } from '../../system/byte-path.ts';
import { readInBackground } from '../../system/read-in-background.ts';
import { openJudged } from './open-judged.ts';
import { blocksSize } from './frame-blocks.ts';
import type { FrameBlocks, FrameResult, FrameItem, FrameItemData } from './copy-messages.ts';

/** Bytes of file data in a frame, at most. */
export const frameBytes = 2 * 1024 * 1024;
/** Bytes that tar headers and padding may add to a single piece. */
export const frameRoom = 16 * 1024;

/** Bytes that are read and verified at once: few enough to be still in the processor's cache for both checksums. */
const stepBytes = 128 * 1024;
/** How often a page with a wrong checksum is read again: the server may be writing the page. */
const rereads = 5;
/** Milliseconds before a page is read again. */
const pause = 20;
/** Damaged pages after which further damaged pages are read again only once. */
const patientUntil = 100;

type Content = FrameResult['contents'][number];

const bufferBytes = frameBytes + frameRoom;

/** The memory of one frame. */
export class FrameBuffer {
  readonly bytes: Buffer<ArrayBuffer>;
  readonly words: Int32Array;
  /** Bytes of a large file's piece that were read ahead, behind the tar header; undefined: nothing was read ahead. */
  readAhead: number | undefined;

  /** `number`: which part of `memory` it is, from 0 on. */
  constructor(memory: ArrayBuffer, number: number) {
    this.bytes = Buffer.from(memory, number * bufferBytes, bufferBytes);
    this.words = new Int32Array(memory, number * bufferBytes, bufferBytes / 4);
  }
}

/** Builds frames one after another, in two buffers. */
export class FrameBuilder {
  /** undefined: pages are not verified. */
  pages: PageRules | undefined;
  readonly #isOver: () => boolean;
  readonly #memory = memoryForPages(2 * bufferBytes);
  readonly #buffers = [new FrameBuffer(this.#memory, 0), new FrameBuffer(this.#memory, 1)] as const;
  readonly #clock = new Int32Array(new SharedArrayBuffer(4));
  #prepared = 0;
  #buffer: FrameBuffer = this.#buffers[0];
  #at = 0;
  #found: FrameResult['damaged'] = [];
  #foundBefore = 0;

  /**
   * `isOver`: true when the copy has ended and the frame is not needed.
   */
  constructor(pages: PageRules | undefined, isOver: () => boolean = () => false) {
    this.pages = pages;
    this.#isOver = isOver;
  }

  /**
   * Reads ahead what can be read before a frame is built. Called in the order of the frames; the frame before may
   * still be in use, but not the one before that.
   */
  async prepare(parts: readonly FrameItem[]): Promise<FrameBuffer> {
    const buffer = this.#buffers[this.#prepared % 2 === 0 ? 0 : 1];
    this.#prepared += 1;
    buffer.readAhead = undefined;
    const [part, ...others] = parts;
    if (part?.data?.kind !== 'piece' || others.length > 0) return buffer;
    const { fd, source, at, size } = part.data;
    const from = part.member === undefined ? 0 : encodeHeader(part.member).length;
    const into = buffer.bytes.subarray(from, from + size);
    buffer.readAhead = await readInBackground(fd, into, at).catch((error: unknown) => {
      throw CopyError.reading(toText(source), error);
    });
    return buffer;
  }

  /** Builds a frame in the prepared buffer. The bytes are valid as long as the buffer is. @throws CopyError */
  build(
    parts: FrameItem[],
    buffer: FrameBuffer = this.#buffers[0],
  ): { bytes: Buffer; contents: Content[]; damaged: FrameResult['damaged'] } {
    this.#buffer = buffer;
    this.#at = 0;
    this.#foundBefore += this.#found.length;
    this.#found = [];
    const contents: Content[] = [];
    for (const [number, part] of parts.entries()) {
      if (part.data === undefined) this.#addHeader(part);
      else contents.push(this.#add(part, part.data, number));
    }
    return { bytes: buffer.bytes.subarray(0, this.#at), contents, damaged: this.#found };
  }

  #addHeader({ member }: FrameItem): void {
    if (member !== undefined) this.#addBytes(encodeHeader(member));
  }

  #addBytes(bytes: Uint8Array): void {
    this.#buffer.bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #add(part: FrameItem, data: FrameItemData, number: number): Content {
    switch (data.kind) {
      case 'file':
        return this.#addFile(part, data, number);
      case 'piece':
        return this.#addPiece(part, data, number);
      case 'blocks':
        return this.#addBlocks(part, data, number);
      case 'bytes':
        this.#addHeader(part);
        this.#addBytes(data.bytes);
        this.#pad(part.member === undefined ? 0 : tarPadding(data.bytes.length));
        return { size: data.bytes.length, crc32c: crc32c(data.bytes) };
    }
  }

  #addFile(part: FrameItem, data: FrameItemData & { kind: 'file' }, number: number): Content {
    const fd = openJudged(data.source, data.owner);
    if (fd === undefined) return null;
    try {
      this.#addHeader(part);
      const sum = this.#read(fd, { at: 0, size: data.size, firstBlock: data.firstBlock }, number);
      this.#pad(tarPadding(data.size));
      return { size: data.size, crc32c: sum };
    } catch (error) {
      throw CopyError.reading(toText(data.source), error);
    } finally {
      closeSync(fd);
    }
  }

  #addPiece(part: FrameItem, data: Extract<FrameItemData, { kind: 'piece' }>, number: number): Content {
    try {
      this.#addHeader(part);
      const sum = this.#read(data.fd, data, number, { ahead: this.#buffer.readAhead });
      this.#pad(data.padding);
      return { size: data.size, crc32c: sum };
    } catch (error) {
      throw CopyError.reading(toText(data.source), error);
    }
  }

  #addBlocks(part: FrameItem, data: FrameBlocks, number: number): Content {
    const { file, header, blocks, blockSize, firstBlock, padding } = data;
    const fd = 'fd' in file ? file.fd : openJudged(file.source, file.owner);
    if (fd === undefined) return null;
    try {
      this.#addHeader(part);
      this.#addBytes(header);
      let sum = crc32c(header);
      for (const { first, count } of runsOf(blocks)) {
        const range = { at: first * blockSize, size: count * blockSize, firstBlock: firstBlock + first };
        sum = this.#read(fd, range, number, { before: sum });
      }
      this.#pad(padding);
      return { size: blocksSize(data), crc32c: sum };
    } catch (error) {
      throw CopyError.reading(toText(file.source), error);
    } finally {
      if (!('fd' in file)) closeSync(fd);
    }
  }

  #pad(bytes: number): void {
    this.#buffer.bytes.fill(0, this.#at, this.#at + bytes);
    this.#at += bytes;
  }

  /**
   * Reads a range into the frame, and returns the CRC-32C of the range. A file that has become shorter is filled up
   * with zeros, as in pg_basebackup. `before`: the CRC-32C of what comes before the range; `ahead`: bytes of the range
   * that are there already; undefined: nothing was read ahead.
   */
  #read(
    fd: number,
    range: Range,
    part: number,
    { before = 0, ahead }: { before?: number; ahead?: number | undefined } = {},
  ): number {
    const { bytes } = this.#buffer;
    let sum = before;
    for (let done = 0; done < range.size; done += stepBytes) {
      const size = Math.min(stepBytes, range.size - done);
      const from = this.#at;
      const there =
        ahead === undefined
          ? readAll(fd, bytes, from, size, range.at + done)
          : Math.min(size, Math.max(0, ahead - done));
      bytes.fill(0, from + there, from + size);
      this.#verify(fd, { ...range, at: range.at + done, size }, done, part);
      sum = crc32c(bytes.subarray(from, from + size), sum);
      this.#at += size;
    }
    return sum;
  }

  /**
   * Verifies the pages that have just been read. `done`: bytes between the beginning of the range, which is
   * firstBlock, and these pages.
   */
  #verify(fd: number, { at, size, firstBlock }: Range, done: number, part: number): void {
    const rules = this.pages;
    if (rules === undefined || firstBlock === undefined) return;
    const { blockSize } = rules;
    const first = firstBlock + done / blockSize;
    const from = this.#at;
    const { bytes, words } = this.#buffer;
    const bad = damagedPages(
      words,
      from / 4,
      { pages: Math.floor(size / blockSize), firstBlock: first },
      rules,
    );
    if (bad.length === 0) return;
    for (const page of this.#stillDamaged(bad, (number) => {
      const place = from + number * blockSize;
      const there = readAll(fd, bytes, place, blockSize, at + number * blockSize);
      bytes.fill(0, place + there, place + blockSize);
      return damagedPages(words, place / 4, { pages: 1, firstBlock: first + number }, rules).length > 0;
    }))
      this.#found.push({ part, block: first + page });
  }

  #stillDamaged(pages: number[], lookAgain: (page: number) => boolean): number[] {
    const patience = this.#foundBefore + this.#found.length < patientUntil ? rereads : 1;
    let left = pages;
    for (let round = 0; round < patience && left.length > 0 && !this.#isOver(); round += 1) {
      Atomics.wait(this.#clock, 0, 0, pause);
      left = left.filter(lookAgain);
    }
    return left;
  }
}

interface Range {
  /** Position in the file. Bytes. */
  at: number;
  size: number;
  /** undefined: the range has no pages with checksums. */
  firstBlock: number | undefined;
}

/** Reads until `size` bytes or the end of the file. Returns the number of bytes that were read. */
function readAll(fd: number, into: Buffer, offset: number, size: number, position: number): number {
  let done = 0;
  while (done < size) {
    const read = readSync(fd, into, offset + done, size - done, position + done);
    if (read === 0) break;
    done += read;
  }
  return done;
}
