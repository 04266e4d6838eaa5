/** Verifies the page checksums of parts of relation files, as a copy does. */
import { holdsRelations, relationFile } from '../postgres/excluded-files.ts';
import type { RelationGeometry } from '../postgres/incremental-file.ts';
import { damagedPages, memoryForPages } from '../postgres/page-checksum.ts';
import type { ExtractedChunk } from './frame-chunks.ts';

/** Bytes that are verified at once: a multiple of each size of a page, and few enough for a processor's cache. */
const stepBytes = 128 * 1024;

/** Where pages are verified; allocated when the first pages are. */
let memory: ArrayBuffer | undefined;

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
  memory ??= memoryForPages(stepBytes);
  const [bytes, words] = [new Uint8Array(memory), new Int32Array(memory)];
  const atOnce = Math.max(1, Math.floor(stepBytes / blockSize));
  const unsound: number[] = [];
  for (let done = 0; done < pages; done += atOnce) {
    const count = Math.min(atOnce, pages - done);
    const from = begin + done * blockSize;
    bytes.set(data.subarray(from, from + count * blockSize));
    const step = { pages: count, firstBlock: firstBlock + done };
    for (const page of damagedPages(words, 0, step, { blockSize, startLsn }))
      unsound.push(step.firstBlock + page);
  }
  return unsound;
}
