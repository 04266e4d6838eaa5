/**
 * Verifies the checksum of every page of a recovered cluster, in the files on disk after a checkpoint.
 * amcheck reads tables and B-trees only, and other files may be damaged, too.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ControlFile } from '../postgres/pg-control.ts';
import { isSound, memoryForPages } from '../postgres/page-checksum.ts';
import { openRegularFile } from '../system/regular-file.ts';

/** Bytes that are read at once. */
const chunkBytes = 1 << 20;
/** Number of problems that are recorded. */
const mostProblems = 50;
/**
 * Names of files with checksums, as in pg_checksums: all forks including init forks, but not pg_filenode.map
 * and similar files.
 */
const relationPattern = /^(\d+)(?:_(?:fsm|vm|init))?(?:\.(\d+))?$/;

/** The result for all pages. */
export interface PagesRead {
  pages: number;
  /** The first damaged pages, by file and block. */
  problems: string[];
  /** Number of damaged pages. */
  damaged: number;
}

type Layout = Pick<ControlFile, 'blockSize' | 'relationSegmentBlocks'>;

/** Verifies the checksums of all pages below a data directory, including the tablespaces. */
export async function checkPages(
  dataDirectory: string,
  layout: Layout,
  signal: AbortSignal,
): Promise<PagesRead> {
  const found: PagesRead = { pages: 0, problems: [], damaged: 0 };
  // One buffer for all files: most files have a few pages only, and a new buffer would have to be zeroed
  // first.
  const words = new Int32Array(memoryForPages(chunkBytes), 0, chunkBytes / 4);
  for (const directory of await directoriesOfRelations(dataDirectory)) {
    for (const name of await readdir(join(dataDirectory, directory))) {
      const segment = relationPattern.exec(name);
      if (segment === null) continue;
      signal.throwIfAborted();
      const firstBlock = Number(segment[2] ?? 0) * layout.relationSegmentBlocks;
      await checkFile(dataDirectory, join(directory, name), { ...layout, firstBlock, words }, found);
    }
  }
  return found;
}

async function directoriesOfRelations(dataDirectory: string): Promise<string[]> {
  const below = async (parent: string, pattern: RegExp) =>
    (await readdir(join(dataDirectory, parent)).catch((): string[] => []))
      .filter((name) => pattern.test(name))
      .map((name) => join(parent, name));
  const tablespaces = await below('pg_tblspc', /^\d+$/);
  const ofVersions = (await Promise.all(tablespaces.map((path) => below(path, /^PG_/)))).flat();
  const parents = ['base', ...ofVersions];
  return ['global', ...(await Promise.all(parents.map((path) => below(path, /^\d+$/)))).flat()];
}

async function checkFile(
  dataDirectory: string,
  path: string,
  { blockSize, firstBlock, words }: Layout & { firstBlock: number; words: Int32Array<ArrayBuffer> },
  found: PagesRead,
): Promise<void> {
  const file = await openRegularFile(join(dataDirectory, path));
  try {
    const bytes = new Uint8Array(words.buffer);
    for (let at = 0; ; at += chunkBytes) {
      const { bytesRead } = await file.read(bytes, 0, chunkBytes, at);
      const pages = Math.floor(bytesRead / blockSize);
      for (let page = 0; page < pages; page += 1) {
        const block = at / blockSize + page;
        found.pages += 1;
        if (isSound(words, (page * blockSize) / 4, blockSize, firstBlock + block)) continue;
        found.damaged += 1;
        if (found.problems.length < mostProblems)
          found.problems.push(`"${path}", block ${block}: the page does not match its checksum`);
      }
      if (bytesRead < chunkBytes) return;
    }
  } finally {
    await file.close();
  }
}
