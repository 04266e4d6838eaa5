/**
 * Reads how long the files of relations are in the parent of an incremental copy: from its manifest, and from
 * lengths.jsonl for the files of which the parent has only a part.
 */
import { mainForkOf } from '../../postgres/block-changes.ts';
import { crc32c } from '../../postgres/crc32c.ts';
import { pathOfIncremental } from '../../postgres/incremental-file.ts';
import { parseManifest } from '../../postgres/read-manifest.ts';
import { readRelationLengths } from '../../repository/relation-lengths.ts';
import { longestText, readSmallFile } from '../../system/small-file.ts';

/** A list of a parent, with its checksum from backup.json. */
export interface ParentList {
  path: string;
  crc32c: number;
}

/** The lists of a parent. */
export interface ParentLists {
  manifest: ParentList;
  /** undefined: the parent is a full copy. */
  lengths: ParentList | undefined;
  /** Bytes. */
  blockSize: number;
}

/**
 * Returns the lengths of the files of main forks, in blocks, by their paths in the manifest of a full copy.
 * @throws Error where a list cannot be read, is damaged, or lacks a length
 */
export async function readParentLengths({
  manifest,
  lengths,
  blockSize,
}: ParentLists): Promise<Map<string, number>> {
  const partial = lengths === undefined ? new Map<string, number>() : await readLengths(lengths);
  const found = new Map<string, number>();
  const { files } = await explaining(manifest.path, async () => parseManifest(await readList(manifest)));
  for (const [path, { size }] of files) {
    const whole = pathOfIncremental(path);
    if (mainForkOf(whole ?? path) === undefined) continue;
    const blocks = whole === undefined ? size / blockSize : partial.get(whole);
    if (blocks === undefined) throw new Error(`"${lengths?.path}" has no length of "${path}"`);
    // An incomplete page is not taken in part.
    if (Number.isInteger(blocks)) found.set(whole ?? path, blocks);
  }
  return found;
}

function readLengths(list: ParentList): Promise<Map<string, number>> {
  return explaining(list.path, async () => readRelationLengths((await readList(list)).toString('utf8')));
}

async function readList({ path, crc32c: stated }: ParentList): Promise<Buffer> {
  const bytes = await readSmallFile(path, { most: longestText });
  if (crc32c(bytes) !== stated) throw new RangeError('its checksum is not the one in backup.json');
  return bytes;
}

async function explaining<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof RangeError) && !(error instanceof SyntaxError)) throw error;
    throw new Error(`"${path}" is damaged: ${error.message}`, { cause: error });
  }
}
