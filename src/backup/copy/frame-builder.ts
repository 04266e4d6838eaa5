/**
 * Builds the content of one frame: reads files into a buffer that is reused, with tar headers and padding between
 * the files. Files are read in small steps, so that the data is still in the processor cache when the checksums
 * are verified.
 */
import { closeSync, readSync } from 'node:fs';
import { encodeHeader, tarPadding } from '../../repository/tar.ts';
import { crc32c } from '../../postgres/crc32c.ts';
import { runsOf } from '../../postgres/incremental-file.ts';
import { damagedPages, type PageRules } from '../../postgres/page-checksum.ts';
import { CopyError } from './copy-error.ts';
import { toText } from '../../system/byte-path.ts';
import { openJudged } from './open-judged.ts';
import { blocksSize } from './frame-blocks.ts';
import type { FrameBlocks, FrameResult, FrameItem, FrameItemData } from './copy-messages.ts';

/** Bytes of file data in a frame, at most. */
export const frameBytes = 2 * 1024 * 1024;
/** Bytes that tar headers and padding may add to a single piece. */
export const frameRoom = 16 * 1024;

/** Bytes that are read and verified at once. */
const readBytes = 512 * 1024;
/** How often a page with a wrong checksum is read again: the server may be writing the page. */
const rereads = 5;
/** Milliseconds before a page is read again. */
const pause = 20;
/** Damaged pages after which further damaged pages are read again only once. */
const patientUntil = 100;

type Content = FrameResult['contents'][number];

/** Builds frames one after another in one buffer. */
export class FrameBuilder {
  readonly #pages: PageRules | undefined;
  readonly #isOver: () => boolean;
  readonly #buffer = Buffer.from(new ArrayBuffer(frameBytes + frameRoom));
  readonly #words = new Int32Array(this.#buffer.buffer);
  readonly #clock = new Int32Array(new SharedArrayBuffer(4));
  #at = 0;
  #found: FrameResult['damaged'] = [];
  #foundBefore = 0;

  /**
   * `pages`: undefined: pages are not verified. `isOver`: true when the copy has ended and the frame is not
   * needed.
   */
  constructor(pages: PageRules | undefined, isOver: () => boolean = () => false) {
    this.#pages = pages;
    this.#isOver = isOver;
  }

  /** Builds a frame. The bytes are valid until the next call. @throws CopyError */
  build(parts: FrameItem[]): { bytes: Buffer; contents: Content[]; damaged: FrameResult['damaged'] } {
    this.#at = 0;
    this.#foundBefore += this.#found.length;
    this.#found = [];
    const contents: Content[] = [];
    for (const [number, part] of parts.entries()) {
      if (part.data === undefined) this.#addHeader(part);
      else contents.push(this.#add(part, part.data, number));
    }
    return { bytes: this.#buffer.subarray(0, this.#at), contents, damaged: this.#found };
  }

  #addHeader({ member }: FrameItem): void {
    if (member !== undefined) this.#addBytes(encodeHeader(member));
  }

  #addBytes(bytes: Uint8Array): void {
    this.#buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #add(part: FrameItem, data: FrameItemData, number: number): Content {
    switch (data.kind) {
      case 'file':
        return this.#addFile(part, data, number);
      case 'piece': {
        this.#addHeader(part);
        const sum = this.#read(data.fd, data, number);
        this.#pad(data.padding);
        return { size: data.size, crc32c: sum };
      }
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
        sum = this.#read(fd, range, number, sum);
      }
      this.#pad(padding);
      return { size: blocksSize(data), crc32c: sum };
    } catch (error) {
      throw CopyError.reading('source' in file ? toText(file.source) : 'a file of a relation', error);
    } finally {
      if ('source' in file) closeSync(fd);
    }
  }

  #pad(bytes: number): void {
    this.#buffer.fill(0, this.#at, this.#at + bytes);
    this.#at += bytes;
  }

  /**
   * Reads a range into the frame and returns its CRC-32C, behind what has the CRC-32C `before`. A file that has become shorter is filled up with zeros,
   * as in pg_basebackup.
   */
  #read(fd: number, range: Range, part: number, before = 0): number {
    let sum = before;
    for (let done = 0; done < range.size; done += readBytes) {
      const size = Math.min(readBytes, range.size - done);
      const from = this.#at;
      const there = readAll(fd, this.#buffer, from, size, range.at + done);
      this.#buffer.fill(0, from + there, from + size);
      this.#verify(fd, { ...range, at: range.at + done, size }, done, part);
      sum = crc32c(this.#buffer.subarray(from, from + size), sum);
      this.#at += size;
    }
    return sum;
  }

  /**
   * Verifies the pages that have just been read. `done`: bytes between the beginning of the range, which is
   * firstBlock, and these pages.
   */
  #verify(fd: number, { at, size, firstBlock }: Range, done: number, part: number): void {
    const rules = this.#pages;
    if (rules === undefined || firstBlock === undefined) return;
    const { blockSize } = rules;
    const first = firstBlock + done / blockSize;
    const from = this.#at;
    const bad = damagedPages(
      this.#words,
      from / 4,
      { pages: Math.floor(size / blockSize), firstBlock: first },
      rules,
    );
    if (bad.length === 0) return;
    for (const page of this.#stillDamaged(bad, (number) => {
      const place = from + number * blockSize;
      const there = readAll(fd, this.#buffer, place, blockSize, at + number * blockSize);
      this.#buffer.fill(0, place + there, place + blockSize);
      const words = place / 4;
      return damagedPages(this.#words, words, { pages: 1, firstBlock: first + number }, rules).length > 0;
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
