// Pages with the checksums of a formula, in parts of relation files as a chain has them.
import test from 'ava';
import { unsoundBlocks } from '../../src/extraction/unsound-blocks.ts';
import { pageChecksum } from '../../src/postgres/page-checksum.ts';

const startLsn = 1n << 40n;

/** Pages that are sound as blocks from `first` on. */
function pages(count: number, first: number, blockSize: number): Buffer {
  const bytes = Buffer.from(new ArrayBuffer(count * blockSize));
  const words = new Int32Array(bytes.buffer);
  for (let page = 0; page < count; page += 1) {
    const at = page * blockSize;
    bytes.fill(`page ${first + page} `, at, at + blockSize);
    bytes.writeUInt32LE(0, at);
    bytes.writeUInt16LE(800, at + 14);
    bytes.writeUInt16LE(pageChecksum(words, at / 4, blockSize, first + page), at + 8);
  }
  return bytes;
}

for (const blockSize of [1024, 8192, 32_768]) {
  const geometry = { blockSize, relationSegmentBlocks: 1000 };
  const path = 'base/5/16384.2';

  test(`unsound pages of ${blockSize} bytes are found in a part, by their number in the relation`, (t) => {
    const data = pages(300, 2100, blockSize);
    const part = { at: 100 * blockSize, data };
    t.deepEqual(unsoundBlocks(path, part, geometry, startLsn), []);
    for (const page of [0, 127, 128, 299]) data[page * blockSize + 700] = 0;
    const unsound = [2100, 2227, 2228, 2399];
    t.deepEqual(unsoundBlocks(path, part, geometry, startLsn), unsound);
    t.deepEqual(unsoundBlocks('base/5/pg_filenode.map', part, geometry, startLsn), []);
  });

  test(`a part that begins within a page of ${blockSize} bytes, at an odd address, is verified from the next page on`, (t) => {
    const data = pages(20, 2000, blockSize);
    data[7 * blockSize + 700] = 0;
    const shifted = Buffer.concat([Buffer.alloc(1), data]).subarray(1 + 700);
    t.deepEqual(unsoundBlocks(path, { at: 700, data: shifted }, geometry, startLsn), [2007]);
  });

  test(`a new page of ${blockSize} bytes is sound if all of it is zero, and so is one written since the start`, (t) => {
    const data = pages(3, 2000, blockSize);
    data.fill(0, 0, blockSize);
    data[2 * blockSize + 700] = 0;
    data.writeUInt32LE(256, 2 * blockSize); // an LSN of 2^40
    t.deepEqual(unsoundBlocks(path, { at: 0, data }, geometry, startLsn), []);
    data[blockSize - 1] = 1;
    t.deepEqual(unsoundBlocks(path, { at: 0, data }, geometry, startLsn), [2000]);
  });
}
