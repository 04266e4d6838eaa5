/**
 * PostgreSQL's incremental files, from 17 on: what has changed of a relation's file since an earlier backup
 * (src/backend/backup/basebackup.c: sendFile; src/bin/pg_combinebackup/reconstruct.c). Such a file is called
 * INCREMENTAL.<name of the relation's file>. All numbers have 32 bits and are little-endian, as on all platforms for
 * which PostgreSQL packages exist.
 *
 *   offset   bytes       content
 *   0        4           magic number
 *   4        4           how many blocks the file has
 *   8        4           truncation length: the shortest length that the whole file may have, in blocks
 *   12       4 each      the numbers of the blocks, ascending, counted from the beginning of the relation's file
 *            up to a multiple of the block size: zeros, where the file has blocks
 *            block size each: the blocks, in the order of their numbers
 *
 * A block below the truncation length that is not in the file is as it was in the earlier backup.
 */
import { holdsRelations, incrementalPrefix, relationFile } from './excluded-files.ts';

/** What an incremental file says about itself, without the blocks. */
export interface IncrementalHeader {
  /** The numbers of the blocks, ascending, counted from the beginning of the relation's file. */
  blocks: Uint32Array;
  /** The shortest length that the whole file may have. Blocks. */
  truncationLength: number;
}

/** The sizes on which an incremental file depends (pg_control). */
export interface RelationGeometry {
  /** Bytes. */
  blockSize: number;
  /** Blocks per file of a relation. */
  relationSegmentBlocks: number;
}

/** The beginning of an incremental file: how much header follows. */
export interface IncrementalCounts {
  /** The number of blocks. */
  count: number;
  /** As in IncrementalHeader. */
  truncationLength: number;
  /** Bytes in front of the first block. */
  headerSize: number;
  /** Bytes of the whole file. */
  fileSize: number;
}

/** Bytes that are needed to read the counts. */
export const countsSize = 12;

const magic = 0xd3ae1f0d;
const numberSize = 4;

/** Returns the path of the incremental file for the path of a relation's file. */
export function incrementalPath(path: string): string {
  const name = path.lastIndexOf('/') + 1;
  return `${path.slice(0, name)}${incrementalPrefix}${path.slice(name)}`;
}

/**
 * Returns the path of the relation's file for the path of an incremental file; undefined for every other path. `path`: as
 * in a manifest or in a tar. Only files of main forks are incremental: no other file is written block by block.
 */
export function pathOfIncremental(path: string): string | undefined {
  const name = path.lastIndexOf('/') + 1;
  if (!path.startsWith(incrementalPrefix, name)) return undefined;
  const whole = path.slice(name + incrementalPrefix.length);
  const directory = path.slice(0, Math.max(0, name - 1));
  const holds = holdsRelations(directory) || inTablespace.test(directory);
  return holds && relationFile(whole)?.fork === 'main' ? `${path.slice(0, name)}${whole}` : undefined;
}

/** The directory of a database in the tar of a tablespace. */
const inTablespace = /^PG_\d+_\d+\/\d+$/;

/** Bytes in front of the first block of a file with `count` blocks. A file without blocks is not padded. */
export function incrementalHeaderSize(count: number, blockSize: number): number {
  const size = countsSize + count * numberSize;
  return count === 0 ? size : Math.ceil(size / blockSize) * blockSize;
}

/** Bytes of a file with `count` blocks. */
export function incrementalFileSize(count: number, blockSize: number): number {
  return incrementalHeaderSize(count, blockSize) + count * blockSize;
}

/** Formats everything in front of the first block. */
export function encodeIncrementalHeader(
  { blocks, truncationLength }: IncrementalHeader,
  blockSize: number,
): Buffer {
  const bytes = Buffer.alloc(incrementalHeaderSize(blocks.length, blockSize));
  bytes.writeUInt32LE(magic, 0);
  bytes.writeUInt32LE(blocks.length, 4);
  bytes.writeUInt32LE(truncationLength, 8);
  for (const [index, block] of blocks.entries()) bytes.writeUInt32LE(block, countsSize + index * numberSize);
  return bytes;
}

/**
 * Parses the first `countsSize` bytes of an incremental file. `fileSize`: bytes of the whole file; undefined: unknown.
 * @throws RangeError with the problem
 */
export function decodeIncrementalCounts(
  bytes: Buffer,
  { blockSize, relationSegmentBlocks }: RelationGeometry,
  fileSize?: number,
): IncrementalCounts {
  if (bytes.length < countsSize) throw new RangeError(`it has only ${bytes.length} bytes`);
  if (bytes.readUInt32LE(0) !== magic)
    throw new RangeError(`it begins with ${hexadecimal(bytes.readUInt32LE(0))}, not ${hexadecimal(magic)}`);
  const count = bytes.readUInt32LE(4);
  const truncationLength = bytes.readUInt32LE(8);
  for (const [what, value] of [
    ['blocks', count],
    ['blocks at least in the whole file', truncationLength],
  ] as const)
    if (value > relationSegmentBlocks)
      throw new RangeError(`it states ${value} ${what}, and a relation's file has ${relationSegmentBlocks}`);
  const stated = incrementalFileSize(count, blockSize);
  if (fileSize !== undefined && fileSize !== stated)
    throw new RangeError(`it states ${count} blocks, which takes ${stated} bytes, and it has ${fileSize}`);
  return {
    count,
    truncationLength,
    headerSize: incrementalHeaderSize(count, blockSize),
    fileSize: stated,
  };
}

/**
 * Parses everything in front of the first block. `bytes`: at least `headerSize` bytes. `fileSize`: as for
 * decodeIncrementalCounts.
 * @throws RangeError with the problem
 */
export function decodeIncrementalHeader(
  bytes: Buffer,
  geometry: RelationGeometry,
  fileSize?: number,
): IncrementalHeader {
  const { count, truncationLength, headerSize } = decodeIncrementalCounts(bytes, geometry, fileSize);
  if (bytes.length < headerSize)
    throw new RangeError(`its header has ${headerSize} bytes, and only ${bytes.length} are there`);
  const blocks = new Uint32Array(count);
  let before = -1;
  for (let index = 0; index < count; index += 1) {
    const block = bytes.readUInt32LE(countsSize + index * numberSize);
    if (block <= before) throw new RangeError(`it names block ${block} after block ${before}`);
    if (block >= geometry.relationSegmentBlocks)
      throw new RangeError(
        `it names block ${block}, and a relation's file has ${geometry.relationSegmentBlocks}`,
      );
    blocks[index] = block;
    before = block;
  }
  return { blocks, truncationLength };
}

/** The number of blocks of the whole file: at least the truncation length, and room for the last block. */
export function wholeLength({ blocks, truncationLength }: IncrementalHeader): number {
  return Math.max(truncationLength, (blocks.at(-1) ?? -1) + 1);
}

/** Consecutive blocks. */
export interface BlockRun {
  first: number;
  count: number;
}

/** Yields the runs of consecutive numbers. `blocks`: ascending. */
export function* runsOf(blocks: Uint32Array): Generator<BlockRun> {
  for (let at = 0; at < blocks.length;) {
    const first = blocks[at] as number;
    let end = at + 1;
    while (end < blocks.length && blocks[end] === first + end - at) end += 1;
    yield { first, count: end - at };
    at = end;
  }
}

function hexadecimal(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}
