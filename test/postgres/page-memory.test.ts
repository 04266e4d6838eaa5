import test from 'ava';
import { memoryForPages, pageChecksum } from '../../src/postgres/page-checksum.ts';

/** The checksums of pages of `(position * 7 + (position >> 8)) & 255`, as these blocks, computed as PostgreSQL's C does. */
const blocks = [0, 7, 131_071, 2 ** 32 - 1];
const known: [number, number[]][] = [
  [1024, [18_238, 18_231, 62_416, 47_299]],
  [2048, [26_424, 26_431, 42_711, 39_113]],
  [4096, [52_902, 52_901, 42_540, 12_635]],
  [8192, [15_923, 15_928, 49_647, 49_614]],
  [16_384, [31_891, 31_892, 31_404, 33_646]],
  [32_768, [34_197, 34_190, 56_885, 31_340]],
];

/** A page of that size in the middle of a memory. */
function pageIn(memory: ArrayBuffer, size: number): Int32Array {
  const page = new Uint8Array(memory, 512, size);
  for (let at = 0; at < size; at += 1) page[at] = at * 7 + (at >> 8);
  return new Int32Array(memory, 512, size / 4);
}

test('pages of each size have the known checksums, in their own memory as anywhere else', (t) => {
  for (const memory of [memoryForPages(64 * 1024), new ArrayBuffer(64 * 1024)]) {
    for (const [size, sums] of known) {
      const page = pageIn(memory, size);
      const before = page.slice();
      t.deepEqual(
        blocks.map((block) => pageChecksum(page, 0, size, block)),
        sums,
        `${size} bytes`,
      );
      t.deepEqual(page, before);
    }
  }
});

/** Numbers that look random, the same in each run. */
function fill(words: Int32Array): void {
  let state = 42;
  for (let at = 0; at < words.length; at += 1) words[at] = state = Math.imul(state, 1664525) + 1013904223;
}

test('pages have the same checksums in their own memory as anywhere else, wherever they are', (t) => {
  const bytes = 256 * 1024;
  const memory = memoryForPages(bytes);
  t.true(memory.byteLength >= bytes);
  const there = new Int32Array(memory, 512, (bytes - 1024) / 4);
  fill(there);
  const here = there.slice();
  for (const [size] of known) {
    for (const [index, block] of blocks.entries()) {
      const from = index * 128;
      const expected = pageChecksum(here, from, size, block);
      t.is(pageChecksum(there, from, size, block), expected, `${size} bytes, block ${block}`);
    }
  }
  t.deepEqual(there, here);
});

test('pages have the known checksums where Node has no WebAssembly, as with --jitless', (t) => {
  const memory = withoutWebAssembly(() => memoryForPages(32 * 1024 + 512));
  t.is(memory.byteLength, 32 * 1024 + 512);
  for (const [size, sums] of known) t.is(pageChecksum(pageIn(memory, size), 0, size, 7), sums[1] ?? 0);
});

function withoutWebAssembly<Result>(work: () => Result): Result {
  const there: unknown = Reflect.get(globalThis, 'WebAssembly');
  Reflect.deleteProperty(globalThis, 'WebAssembly');
  try {
    return work();
  } finally {
    Reflect.set(globalThis, 'WebAssembly', there);
  }
}
