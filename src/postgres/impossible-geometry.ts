/** The sizes of blocks and of relations' files with which PostgreSQL can be built (BLCKSZ, RELSEG_SIZE). Pure. */
import type { RelationGeometry } from './incremental-file.ts';

const smallestBlock = 1 << 10;
const largestBlock = 1 << 15;
/** Blocks are numbered with 32 bits. */
const mostBlocks = 2 ** 32;

/**
 * Why no PostgreSQL has these sizes, as a predicate; undefined: one may have. They come from files that anybody may have
 * written, and become the steps of loops.
 */
export function impossibleGeometry({
  blockSize,
  relationSegmentBlocks,
}: RelationGeometry): string | undefined {
  const isPower = Number.isInteger(Math.log2(blockSize));
  if (!isPower || blockSize < smallestBlock || blockSize > largestBlock)
    return `has a blockSize of ${blockSize}`;
  if (
    !Number.isInteger(relationSegmentBlocks) ||
    relationSegmentBlocks < 1 ||
    relationSegmentBlocks >= mostBlocks
  )
    return `has a relationSegmentBlocks of ${relationSegmentBlocks}`;
  return undefined;
}
