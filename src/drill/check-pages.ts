/**
 * Every page of the recovered cluster against its checksum, on the disk after a checkpoint: amcheck reads tables and
 * B-trees only, and a file that no query of these touches may be damaged, too.
 */
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ControlFile } from '../postgres/pg-control.ts';
import { isSound } from '../postgres/page-checksum.ts';

const chunkBytes = 1 << 20;
const mostProblems = 50;
/** As pg_checksums: forks have them, init forks too; maps of relations and the like do not. */
const relationPattern = /^(\d+)(?:_(?:fsm|vm|init))?(?:\.(\d+))?$/;

export interface PagesRead {
  pages: number;
  /** By file and block, the first ones. */
  problems: string[];
  damaged: number;
}

type Layout = Pick<ControlFile, 'blockSize' | 'relationSegmentBlocks'>;

export async function checkPages(
  dataDirectory: string,
  layout: Layout,
  signal: AbortSignal,
): Promise<PagesRead> {
  const found: PagesRead = { pages: 0, problems: [], damaged: 0 };
  // One for all: most of a thousand files have a few pages, and memory that is new is zeroed first.
  const words = new Int32Array(chunkBytes / 4);
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
  const file = await open(join(dataDirectory, path), 'r');
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
