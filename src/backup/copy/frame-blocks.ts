/** The blocks of a partial file in frames: cut into pieces for frames, and into ranges that are read at once. Pure. */
import { encodeIncrementalHeader } from '../../postgres/incremental-file.ts';
import { tarPadding } from '../../repository/tar.ts';
import type { FrameBlocks } from './copy-messages.ts';
import type { PartialFile } from './partial-file.ts';

/** Bytes of the header and the blocks. */
export function blocksSize({ header, blocks, blockSize }: FrameBlocks): number {
  return header.length + blocks.length * blockSize;
}

/** Formats what is in front of the blocks. */
export function headerOf({ blocks, length }: PartialFile, blockSize: number): Buffer {
  return encodeIncrementalHeader({ blocks, truncationLength: length }, blockSize);
}

/** Yields a partial file in pieces of at most `most` bytes, which has to hold the header. */
export function* piecesOf(
  part: PartialFile,
  common: Pick<FrameBlocks, 'file' | 'blockSize' | 'firstBlock'>,
  most: number,
): Generator<FrameBlocks> {
  const { blocks } = part;
  const { blockSize } = common;
  const header = headerOf(part, blockSize);
  const total = header.length + blocks.length * blockSize;
  for (let at = 0; at === 0 || at < blocks.length;) {
    const own = at === 0 ? header : new Uint8Array();
    const end = Math.min(blocks.length, at + Math.floor((most - own.length) / blockSize));
    const isLast = end === blocks.length;
    yield {
      ...common,
      header: own,
      blocks: blocks.slice(at, end),
      padding: isLast ? tarPadding(total) : 0,
    };
    if (isLast) return;
    at = end;
  }
}
