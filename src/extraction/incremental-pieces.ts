/** Turns parts of incremental files into parts of the files to which their blocks belong. */
import {
  decodeIncrementalHeader,
  incrementalHeaderSize,
  pathOfIncremental,
  runsOf,
  wholeLength,
  type IncrementalHeader,
  type RelationGeometry,
} from '../postgres/incremental-file.ts';
import type { FrameEntry } from '../repository/frame-index.ts';
import { releaseBuffer } from '../system/release-buffer.ts';
import { contentsOf, type ExtractedChunk } from './frame-chunks.ts';
import type { FrameFiles } from './frame-file.ts';

/** The blocks of a part of an incremental file. */
export interface BlockPieces {
  /** The name of the whole file, in the tar. */
  name: string;
  /** Parts of the whole file; each is a run of consecutive blocks. */
  pieces: ExtractedChunk[];
  /** Bytes of the whole file. */
  size: number;
}

/**
 * Reads incremental files part by part. The header of a file is in the frame with which the file begins. The header
 * that was used last is kept, since a thread processes the frames of a file one after the other.
 */
export class IncrementalPieces {
  readonly #files: FrameFiles;
  readonly #geometry: RelationGeometry;
  #last: { name: string; tar: string; header: IncrementalHeader } | undefined;

  constructor(files: FrameFiles, geometry: RelationGeometry) {
    this.#files = files;
    this.#geometry = geometry;
  }

  /**
   * Returns the blocks of a part. `first`: the frame in which the file begins, unless it begins with this part.
   * @throws RangeError where the part is not one of an incremental file
   */
  blocksOf(piece: ExtractedChunk, tar: string, first: FrameEntry | undefined): BlockPieces {
    const { blockSize } = this.#geometry;
    const header = this.#headerOf(piece, tar, first);
    const size = wholeLength(header) * blockSize;
    const headerSize = incrementalHeaderSize(header.blocks.length, blockSize);
    const begin = Math.max(piece.at, headerSize);
    const content = piece.data.subarray(begin - piece.at);
    const skipped = (begin - headerSize) / blockSize;
    const count = content.length / blockSize;
    if (!Number.isInteger(skipped) || !Number.isInteger(count))
      throw new RangeError(`a part of "${piece.name}" begins or ends within a block`);
    const numbers = header.blocks.subarray(skipped, skipped + count);
    const { mode, header: member } = piece;
    const name = pathOfIncremental(piece.name) ?? piece.name;
    const pieces: ExtractedChunk[] = [];
    let from = 0;
    for (const run of runsOf(numbers)) {
      const data = content.subarray(from, from + run.count * blockSize);
      pieces.push({ name, size, at: run.first * blockSize, data, mode, header: member });
      from += data.length;
    }
    return { name, pieces, size };
  }

  #headerOf(piece: ExtractedChunk, tar: string, first: FrameEntry | undefined): IncrementalHeader {
    const { name } = piece;
    if (this.#last?.name === name && this.#last.tar === tar) return this.#last.header;
    const header = piece.at === 0 ? this.#decode(piece) : this.#read(name, first);
    this.#last = { name, tar, header };
    return header;
  }

  #read(name: string, first: FrameEntry | undefined): IncrementalHeader {
    const bytes = first === undefined ? Buffer.alloc(0) : this.#files.read(first);
    try {
      const beginning = first && contentsOf(bytes, first).pieces.find((piece) => piece.name === name);
      if (beginning?.at !== 0) throw new RangeError(`the beginning of "${name}" is not there`);
      return this.#decode(beginning);
    } finally {
      releaseBuffer(bytes);
    }
  }

  #decode({ name, data, size }: ExtractedChunk): IncrementalHeader {
    try {
      return decodeIncrementalHeader(data, this.#geometry, size);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new RangeError(`"${name}" is no incremental file: ${error.message}`, { cause: error });
    }
  }
}

/**
 * Returns for each frame that begins within an incremental file the frame in which that file begins; undefined for all
 * other frames.
 */
export function beginnings(frames: readonly FrameEntry[]): (FrameEntry | undefined)[] {
  let last: FrameEntry | undefined;
  return frames.map((frame, index) => {
    const name = frame.continues?.name;
    const before = frames[index - 1];
    if (name === undefined || before?.continues?.name !== name || before.tar !== frame.tar) last = before;
    return name === undefined || pathOfIncremental(name) === undefined ? undefined : last;
  });
}
