// What an incremental copy takes of a file, by what is known of the time since its parent.
import test from 'ava';
import { partialFile, type SinceParent } from '../../../src/backup/copy/partial-file.ts';
import { addLimit, addPart, partBlocks } from '../../../src/postgres/block-changes.ts';

const geometry = { blockSize: 8192, relationSegmentBlocks: 131_072 };
const path = 'base/5/16384';
const place = { tablespace: 1663, database: 5, relation: 16_384 };

interface Known {
  /** Blocks of the file in the parent. */
  before?: number;
  changed?: number[];
  limit?: number;
}

function since({ before, changed = [], limit }: Known, at = path): SinceParent {
  const changes: SinceParent['changes'] = new Map();
  for (const part of new Set(changed.map((block) => Math.floor(block / partBlocks)))) {
    const offsets = changed.map((block) => block - part * partBlocks);
    const inPart = offsets.filter((offset) => offset >= 0 && offset < partBlocks);
    addPart(changes, place, part, Uint16Array.from(inPart));
  }
  if (limit !== undefined) addLimit(changes, place, limit);
  return { changes, lengths: new Map(before === undefined ? [] : [[at, before]]) };
}

const taken = (blocks: number, known: Known, at = path) => {
  const part = partialFile({ path: at, size: blocks * 8192 }, since(known, at), geometry);
  return part && { blocks: [...part.blocks], length: part.length };
};
const numbers = (from: number, end: number) => Array.from({ length: end - from }, (_, n) => from + n);

test('of a relation without changes no block is taken', (t) => {
  t.deepEqual(taken(100, { before: 100 }), { blocks: [], length: 100 });
});

test('the changed blocks are taken, and no block behind the end of the file', (t) => {
  t.deepEqual(taken(100, { before: 100, changed: [3, 7, 99, 100, 5000] }), {
    blocks: [3, 7, 99],
    length: 100,
  });
});

test('a file that the parent does not have is taken whole', (t) => {
  t.is(taken(100, { changed: [3] }), undefined);
});

test('blocks that the file has got since are taken, whether or not the WAL names them', (t) => {
  t.deepEqual(taken(100, { before: 90, changed: [3, 95] }), {
    blocks: [3, ...numbers(90, 100)],
    length: 100,
  });
});

test('blocks behind the shortest length of the relation are taken: what the parent has there is gone', (t) => {
  t.deepEqual(taken(100, { before: 100, changed: [3, 80], limit: 75 }), {
    blocks: [3, ...numbers(75, 100)],
    length: 100,
  });
});

test('of a file that has become shorter, the blocks of the parent count as far as the file reaches', (t) => {
  t.deepEqual(taken(75, { before: 100, changed: [3, 80], limit: 75 }), { blocks: [3], length: 75 });
  t.deepEqual(taken(60, { before: 100, limit: 75 }), { blocks: [], length: 60 });
});

test('a relation that was made anew under its number is taken whole', (t) => {
  t.is(taken(100, { before: 100, changed: [3], limit: 0 }), undefined);
});

test('files of a database that was made anew are taken whole', (t) => {
  const known = since({ before: 100 });
  addLimit(known.changes, { ...place, relation: 0 }, 0);
  t.is(partialFile({ path, size: 100 * 8192 }, known, geometry), undefined);
});

test('a later file of a relation counts its blocks from its own beginning', (t) => {
  const second = `${path}.1`;
  t.deepEqual(taken(100, { before: 100, changed: [3, 131_072, 131_172] }, second), {
    blocks: [0],
    length: 100,
  });
  t.deepEqual(taken(100, { before: 100, limit: 131_072 + 60 }, second), {
    blocks: numbers(60, 100),
    length: 100,
  });
  t.deepEqual(taken(131_072, { before: 131_072, changed: [131_071, 131_072], limit: 131_072 }), {
    blocks: [131_071],
    length: 131_072,
  });
});

test('a later file of a relation that was shorter than its beginning is taken whole', (t) => {
  for (const limit of [0, 5, 131_072])
    t.is(taken(100, { before: 100, limit }, `${path}.1`), undefined, String(limit));
});

test('a file of which more than nine tenths have changed is taken whole', (t) => {
  t.is(taken(100, { before: 100, changed: numbers(0, 90) })?.blocks.length, 90);
  t.is(taken(100, { before: 100, changed: numbers(0, 91) }), undefined);
  t.is(taken(100, { before: 10, changed: numbers(0, 0) })?.blocks.length, 90);
  t.is(taken(100, { before: 9 }), undefined);
  t.is(taken(100, { before: 15, changed: numbers(0, 6) }), undefined);
  t.is(taken(1, { before: 1, changed: [0] }), undefined);
});

test('free space maps, visibility maps, init forks and files without pages are taken whole', (t) => {
  for (const other of [`${path}_fsm`, `${path}_vm`, `${path}_init`, 'base/5/PG_VERSION', 'pg_xact/0000'])
    t.is(taken(100, { before: 100 }, other), undefined, other);
});

test('an empty file, one with half a page, and one that is too long are taken whole', (t) => {
  const known = since({ before: 100 });
  for (const size of [0, 100 * 8192 + 1, 131_073 * 8192])
    t.is(partialFile({ path, size }, known, geometry), undefined, String(size));
});
