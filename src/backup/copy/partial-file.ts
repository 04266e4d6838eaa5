/**
 * Decides of each file whether an incremental copy takes it whole or only some of its blocks. Pure.
 *
 * Only main forks of relations are taken in part. The free space map is not in the WAL summaries; of the visibility map,
 * released versions of PostgreSQL have left changes out. A file that the parent does not have is new.
 *
 * A block that no summary names is as it was in the parent, if the parent had it, and if the relation was not shorter in
 * between. Every other block is taken, whether or not a summary names it: a server adds blocks to a relation without
 * writing WAL for them, and the restore would otherwise find there what was in an older copy at that place.
 */
import {
  changedBlocks,
  changesKey,
  isNewDatabase,
  mainForkOf,
  type BlockChanges,
} from '../../postgres/block-changes.ts';
import type { RelationGeometry } from '../../postgres/incremental-file.ts';

/** What an incremental copy knows of the time since its parent. */
export interface SinceParent {
  changes: BlockChanges;
  /** The lengths of the files of main forks in the parent, in blocks, by their paths in the manifest of a full copy. */
  lengths: ReadonlyMap<string, number>;
}

/** The part of a file that is copied. */
export interface PartialFile {
  /** The blocks to copy, ascending, counted from the beginning of the file. */
  blocks: Uint32Array;
  /** Blocks of the whole file. */
  length: number;
}

/** Of a file's blocks, the share from which on the whole file is copied; as in PostgreSQL. */
const nearlyAll = 0.9;

/** Returns the part of a file to copy; undefined: the whole file. `path`: as in a manifest. `size`: bytes. */
export function partialFile(
  { path, size }: { path: string; size: number },
  { changes, lengths }: SinceParent,
  { blockSize, relationSegmentBlocks }: RelationGeometry,
): PartialFile | undefined {
  const place = mainForkOf(path);
  const before = lengths.get(path);
  const length = size / blockSize;
  if (place === undefined || before === undefined || isNewDatabase(changes, place)) return undefined;
  if (!Number.isInteger(length) || length === 0 || length > relationSegmentBlocks) return undefined;
  const first = place.segment * relationSegmentBlocks;
  const relation = changes.get(changesKey(place));
  const limit = (relation?.limit ?? Infinity) - first;
  if (limit <= 0) return undefined;
  const kept = Math.min(before, limit, length);
  const most = Math.floor(length * nearlyAll);
  if (length - kept > most) return undefined;
  const blocks: number[] = [];
  if (relation !== undefined)
    for (const block of changedBlocks(relation, first, first + kept)) blocks.push(block - first);
  if (blocks.length + length - kept > most) return undefined;
  for (let block = kept; block < length; block += 1) blocks.push(block);
  return { blocks: Uint32Array.from(blocks), length };
}
