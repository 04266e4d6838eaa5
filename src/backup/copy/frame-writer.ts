/** Cuts tars into frames, one tar after another. A frame holds many small files, or a piece of one big file. */
import { closeSync, fstatSync } from 'node:fs';
import { incrementalFileSize, incrementalPath } from '../../postgres/incremental-file.ts';
import { tarPadding, type TarMember } from '../../repository/tar.ts';
import type { CopyResults, FileSlice } from './copy-results.ts';
import { blocksSize, headerOf, piecesOf } from './frame-blocks.ts';
import { frameBytes } from './frame-builder.ts';
import type { FramePool } from './frame-pool.ts';
import type { FrameItem } from './copy-messages.ts';
import { openJudged } from './open-judged.ts';
import type { PartialFile } from './partial-file.ts';
import type { RateLimiter } from './rate-limiter.ts';
import type { TarOutput } from './tar-output.ts';
import type { Continuation } from '../../repository/frame-index.ts';

/** Members in one frame, at most, so that messages about a frame stay small. */
const mostMembers = 512;
/** Bytes for a tar header, including a pax header if the name needs one. */
const headerRoom = (name: string) => (name.length <= 100 ? 512 : 512 * 3 + name.length);

/** A file for a tar. */
export interface FileToCopy {
  member: TarMember;
  /** Path for reading the file. */
  source: string;
  /** The user id whose permissions count for the file (open-judged.ts); undefined: the file is not checked. */
  owner: number | undefined;
  /** Path in the manifest. */
  path: string;
  /** Block number of the first block in the relation; undefined: the file has no pages with checksums. */
  firstBlock: number | undefined;
  blockSize: number;
  /** The part to copy; undefined: the whole file. */
  part: PartialFile | undefined;
}

/** Collects members until a frame is full, then submits the frame to the pool. */
export class FrameWriter {
  readonly #pool: FramePool;
  readonly #account: CopyResults;
  readonly #pace: RateLimiter;
  #tar: TarOutput | undefined;
  #startsTar = false;
  #parts: FrameItem[] = [];
  #pieces: (FileSlice | undefined)[] = [];
  #room = frameBytes;

  constructor(pool: FramePool, account: CopyResults, pace: RateLimiter) {
    this.#pool = pool;
    this.#account = account;
    this.#pace = pace;
  }

  /** Begins a tar: everything that is added afterwards goes into this tar. */
  begin(tar: TarOutput): void {
    this.#tar = tar;
    this.#startsTar = true;
  }

  /** Adds the header of a directory. */
  async addDirectory(member: TarMember): Promise<void> {
    await this.#makeRoom(headerRoom(member.name));
    this.#parts.push({ member });
    this.#pieces.push(undefined);
  }

  /** Adds a file, in pieces if the file is too big for one frame. */
  async addFile(file: FileToCopy): Promise<void> {
    const { member, source, owner, firstBlock, part } = file;
    if (part !== undefined) return this.#addPartial(file, part);
    if (member.size > frameBytes - headerRoom(member.name)) return this.#addBig(file);
    await this.#makeRoom(headerRoom(member.name) + member.size + tarPadding(member.size));
    this.#parts.push({ member, data: { kind: 'file', source, owner, size: member.size, firstBlock } });
    this.#pieces.push({ path: file.path, mtime: member.mtime, isFirst: true, isLast: true });
  }

  /** Adds a file with the given content. */
  async addBytes(member: TarMember, path: string, bytes: Uint8Array): Promise<void> {
    await this.#addWithBytes(member, { path, mtime: member.mtime }, bytes);
  }

  async #addWithBytes(
    member: TarMember,
    slice: Omit<FileSlice, 'isFirst' | 'isLast'>,
    bytes: Uint8Array,
  ): Promise<void> {
    await this.#makeRoom(headerRoom(member.name) + bytes.length + tarPadding(bytes.length));
    this.#parts.push({ member, data: { kind: 'bytes', bytes } });
    this.#pieces.push({ ...slice, isFirst: true, isLast: true });
  }

  /** Adds bytes that are no tar member, in a frame of their own. */
  async addRaw(bytes: Uint8Array): Promise<void> {
    await this.flush();
    this.#parts.push({ data: { kind: 'bytes', bytes } });
    this.#pieces.push(undefined);
    await this.flush();
  }

  /** Submits the frame that has been begun, if any. */
  async flush(): Promise<void> {
    if (this.#parts.length > 0) await this.#submit(undefined);
  }

  /**
   * Adds a file in pieces. The file stays open until the last piece has been read, so that a relation that is
   * dropped meanwhile can be read to the end.
   */
  async #addBig(file: FileToCopy): Promise<void> {
    await this.flush();
    const fd = openJudged(file.source, file.owner);
    if (fd === undefined) return;
    const member = { ...file.member, size: fstatSync(fd).size };
    const pieces = Math.max(1, Math.ceil(member.size / frameBytes));
    for (let number = 0; number < pieces; number += 1) {
      const at = number * frameBytes;
      const size = Math.min(frameBytes, member.size - at);
      const isFirst = number === 0;
      const isLast = number === pieces - 1;
      const firstBlock = file.firstBlock === undefined ? undefined : file.firstBlock + at / file.blockSize;
      const padding = isLast ? tarPadding(member.size) : 0;
      this.#parts.push({
        ...(isFirst && { member }),
        data: { kind: 'piece', fd, source: file.source, at, size, padding, firstBlock },
      });
      const done = isLast ? { done: () => closeSync(fd) } : {};
      this.#pieces.push({ path: file.path, mtime: member.mtime, isFirst, isLast, ...done });
      await this.#submit(isFirst ? undefined : continuation(member, at));
    }
  }

  /** Adds the part of a file in PostgreSQL's form, in pieces if the part is too big for one frame. */
  async #addPartial(file: FileToCopy, part: PartialFile): Promise<void> {
    const { source, owner, blockSize, firstBlock = 0, path } = file;
    const size = incrementalFileSize(part.blocks.length, blockSize);
    const member = { ...file.member, name: incrementalPath(file.member.name), size };
    const slice = {
      path: incrementalPath(path),
      mtime: member.mtime,
      whole: { path, blocks: part.length },
    };
    // Of most relations no block has changed: nothing is read.
    if (part.blocks.length === 0) return this.#addWithBytes(member, slice, headerOf(part, blockSize));
    const isBig = size > frameBytes - headerRoom(member.name);
    if (isBig) await this.flush();
    else await this.#makeRoom(headerRoom(member.name) + size + tarPadding(size));
    const fd = isBig ? openJudged(source, owner) : undefined;
    if (isBig && fd === undefined) return;
    const from = { file: fd === undefined ? { source, owner } : { fd, source }, blockSize, firstBlock };
    let at = 0;
    for (const data of piecesOf(part, from, frameBytes)) {
      const [isFirst, end] = [at === 0, at + blocksSize(data)];
      const isLast = end === size;
      this.#parts.push({ ...(isFirst && { member }), data: { kind: 'blocks', ...data } });
      const done = isLast && fd !== undefined ? { done: () => closeSync(fd) } : {};
      this.#pieces.push({ ...slice, isFirst, isLast, ...done });
      if (isBig) await this.#submit(isFirst ? undefined : continuation(member, at));
      at = end;
    }
  }

  async #makeRoom(bytes: number): Promise<void> {
    if (bytes > this.#room || this.#parts.length >= mostMembers) await this.flush();
    this.#room -= bytes;
  }

  async #submit(continues: Continuation | undefined): Promise<void> {
    const tar = this.#tar;
    if (tar === undefined) throw new Error('no tar has been begun');
    const parts = this.#parts;
    const pieces = this.#pieces;
    const startsTar = this.#startsTar;
    this.#parts = [];
    this.#pieces = [];
    this.#room = frameBytes;
    this.#startsTar = false;
    await this.#pace.take(parts.reduce((sum, { data }) => sum + sizeOf(data), 0));
    await this.#pool.submit({ fd: tar.fd, startsTar, parts }, (number) =>
      this.#account.expect(number, { tar, pieces, continues }),
    );
  }
}

function sizeOf(data: FrameItem['data']): number {
  if (data === undefined) return 0;
  if (data.kind === 'blocks') return blocksSize(data);
  return data.kind === 'bytes' ? data.bytes.length : data.size;
}

function continuation(member: TarMember, at: number): Continuation {
  return { name: member.name, at, left: member.size - at, mode: member.mode, size: member.size };
}
