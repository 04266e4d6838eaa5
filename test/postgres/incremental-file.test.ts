import test from 'ava';
import {
  countsSize,
  decodeIncrementalCounts,
  decodeIncrementalHeader,
  encodeIncrementalHeader,
  incrementalFileSize,
  incrementalPath,
  pathOfIncremental,
  wholeLength,
} from '../../src/postgres/incremental-file.ts';

const geometry = { blockSize: 8192, relationSegmentBlocks: 131_072 };

test('a header is the magic number, the count, the truncation length, the numbers, and zeros up to a block', (t) => {
  const header = encodeIncrementalHeader({ blocks: Uint32Array.of(2, 7), truncationLength: 9 }, 8192);
  t.is(header.length, 8192);
  t.is(
    header.toString('hex', 0, 24),
    ['0d1faed3', '02000000', '09000000', '02000000', '07000000', '00000000'].join(''),
  );
  t.true(header.subarray(20).every((byte) => byte === 0));
});

test('a file without blocks is twelve bytes', (t) => {
  const header = encodeIncrementalHeader({ blocks: Uint32Array.of(), truncationLength: 3 }, 8192);
  t.is(header.length, countsSize);
  t.is(incrementalFileSize(0, 8192), 12);
});

test('the header takes a second block where the numbers do not fit into the first', (t) => {
  const most = (8192 - countsSize) / 4;
  t.is(incrementalFileSize(most, 8192), 8192 + most * 8192);
  t.is(incrementalFileSize(most + 1, 8192), 2 * 8192 + (most + 1) * 8192);
});

test('what is written is what is read', (t) => {
  for (const blocks of [[], [0], [5, 6, 7, 100], Array.from({ length: 5000 }, (_, n) => n * 3)]) {
    const header = { blocks: Uint32Array.from(blocks), truncationLength: 15_000 };
    const bytes = encodeIncrementalHeader(header, 8192);
    const size = incrementalFileSize(blocks.length, 8192);
    t.deepEqual(decodeIncrementalHeader(bytes, geometry, size), header);
    t.deepEqual(decodeIncrementalCounts(bytes.subarray(0, countsSize), geometry, size), {
      count: blocks.length,
      truncationLength: 15_000,
      headerSize: bytes.length,
      fileSize: size,
    });
  }
});

const sound = () => encodeIncrementalHeader({ blocks: Uint32Array.of(2, 7), truncationLength: 9 }, 8192);

for (const [what, change, message] of [
  ['another magic number', (bytes: Buffer) => bytes.writeUInt32LE(0xd3ae1f0e, 0), /begins with 0xd3ae1f0e/],
  ['more blocks than a file has', (bytes: Buffer) => bytes.writeUInt32LE(131_073, 4), /states 131073 blocks/],
  [
    'a longer whole file than there are',
    (bytes: Buffer) => bytes.writeUInt32LE(131_073, 8),
    /at least in the whole file/,
  ],
  ['a block that no file has', (bytes: Buffer) => bytes.writeUInt32LE(131_072, 16), /names block 131072,/],
  ['a block twice', (bytes: Buffer) => bytes.writeUInt32LE(2, 16), /names block 2 after block 2/],
  ['blocks that do not ascend', (bytes: Buffer) => bytes.writeUInt32LE(1, 16), /names block 1 after block 2/],
] as const) {
  test(`a header with ${what} is refused`, (t) => {
    const bytes = sound();
    change(bytes);
    t.throws(() => decodeIncrementalHeader(bytes, geometry), { instanceOf: RangeError, message });
  });
}

test('a header that is cut off is refused, and a file of another size than its header states', (t) => {
  t.throws(() => decodeIncrementalCounts(sound().subarray(0, 11), geometry), { message: /only 11 bytes/ });
  t.throws(() => decodeIncrementalHeader(sound().subarray(0, 100), geometry), {
    message: /only 100 are there/,
  });
  t.throws(() => decodeIncrementalHeader(sound(), geometry, 3 * 8192 - 1), { message: /it has 24575$/ });
});

test('the name of the file gets a prefix, and its directory stays', (t) => {
  for (const [path, incremental] of [
    ['base/5/16384', 'base/5/INCREMENTAL.16384'],
    ['pg_tblspc/16400/PG_18_202506291/5/16384.1', 'pg_tblspc/16400/PG_18_202506291/5/INCREMENTAL.16384.1'],
    ['global/1260', 'global/INCREMENTAL.1260'],
    ['PG_18_202506291/5/16384', 'PG_18_202506291/5/INCREMENTAL.16384'],
  ] as const) {
    t.is(incrementalPath(path), incremental);
    t.is(pathOfIncremental(incremental), path);
    t.is(pathOfIncremental(path), undefined);
  }
});

test('a file that is of no main fork is not incremental, whatever its name', (t) => {
  for (const path of [
    'INCREMENTAL.note',
    'INCREMENTAL.16384',
    'global/INCREMENTAL.pg_control',
    'INCREMENTAL.backup_label',
    'base/5/INCREMENTAL.',
    'base/5/INCREMENTAL..',
    'base/5/INCREMENTAL.16384_vm',
    'base/5/INCREMENTAL.PG_VERSION',
    'log/5/INCREMENTAL.16384',
  ])
    t.is(pathOfIncremental(path), undefined, path);
});

test('the whole file reaches to the truncation length, or to its last block', (t) => {
  t.is(wholeLength({ blocks: Uint32Array.of(), truncationLength: 9 }), 9);
  t.is(wholeLength({ blocks: Uint32Array.of(2), truncationLength: 9 }), 9);
  t.is(wholeLength({ blocks: Uint32Array.of(2, 11), truncationLength: 9 }), 12);
});
