/** Verifies the page checksums of parts of relation files, as a copy does. */
import { holdsRelations, relationFile } from '../postgres/excluded-files.ts';
import type { RelationGeometry } from '../postgres/incremental-file.ts';
import { damagedPages } from '../postgres/page-checksum.ts';
import type { ExtractedChunk } from './frame-chunks.ts';

/**
 * Returns the blocks of a part whose checksums do not fit, counted from the beginning of the relation's fork. Parts of
 * other files have none. `path`: of the whole file, in a manifest. `startLsn`: of the backup with the part; pages that
 * were written later are restored by replay.
 */
export function unsoundBlocks(
  path: string,
  { at, data }: Pick<ExtractedChunk, 'at' | 'data'>,
  { blockSize, relationSegmentBlocks }: RelationGeometry,
  startLsn: bigint,
): number[] {
  const slash = path.lastIndexOf('/');
  const file = holdsRelations(path.slice(0, Math.max(0, slash)))
    ? relationFile(path.slice(slash + 1))
    : undefined;
  if (file === undefined) return [];
  const begin = Math.ceil(at / blockSize) * blockSize - at;
  const pages = Math.floor((data.length - begin) / blockSize);
  if (pages <= 0) return [];
  const firstBlock = file.segment * relationSegmentBlocks + (at + begin) / blockSize;
  const words = wordsOf(data.subarray(begin, begin + pages * blockSize));
  return damagedPages(words, 0, { pages, firstBlock }, { blockSize, startLsn }).map(
    (page) => firstBlock + page,
  );
}

/** The bytes as 32-bit words; copied where they do not begin at a multiple of four. */
function wordsOf(bytes: Buffer): Int32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : Uint8Array.from(bytes);
  return new Int32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
}
