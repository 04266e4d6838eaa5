import test from 'ava';
import { blocksSize, piecesOf } from '../../../src/backup/copy/frame-blocks.ts';
import { runsOf } from '../../../src/postgres/incremental-file.ts';
import { decodeIncrementalHeader, incrementalFileSize } from '../../../src/postgres/incremental-file.ts';
import { tarPadding } from '../../../src/repository/tar.ts';

const geometry = { blockSize: 8192, relationSegmentBlocks: 131_072 };
const common = { file: { fd: 3, source: 'file' }, blockSize: 8192, firstBlock: 0 };

test('consecutive blocks are read at once', (t) => {
  const runs = (...blocks: number[]) =>
    [...runsOf(Uint32Array.from(blocks))].map(({ first, count }) => [first, count]);
  t.deepEqual(runs(), []);
  t.deepEqual(runs(5), [[5, 1]]);
  t.deepEqual(runs(0, 1, 2, 7, 9, 10), [
    [0, 3],
    [7, 1],
    [9, 2],
  ]);
});

test('the pieces of a partial file are the file', (t) => {
  for (const count of [0, 1, 7, 254, 255, 256, 257, 3000]) {
    const blocks = Uint32Array.from({ length: count }, (_, n) => n * 2);
    const most = 2 * 1024 * 1024;
    const pieces = [...piecesOf({ blocks, length: 9000 }, common, most)];
    const size = incrementalFileSize(count, 8192);
    t.is(
      pieces.reduce((sum, piece) => sum + blocksSize(piece), 0),
      size,
      `${count} blocks`,
    );
    t.true(pieces.every((piece) => blocksSize(piece) <= most));
    t.deepEqual(
      pieces.flatMap((piece) => [...piece.blocks]),
      [...blocks],
    );
    t.deepEqual(
      pieces.map(({ padding }) => padding),
      [...pieces.slice(1).map(() => 0), tarPadding(size)],
    );
    const header = Buffer.from(pieces[0]?.header ?? []);
    t.deepEqual(decodeIncrementalHeader(header, geometry, size), { blocks, truncationLength: 9000 });
    t.true(pieces.slice(1).every((piece) => piece.header.length === 0));
  }
});
