// What somebody else has written to a repository: frames do not decide how much memory reading them takes, and what a
// backup says of itself is held against what can be.
import { open, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { constants, zstdCompressSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { frameBytes, frameRoom } from '../../src/backup/copy/frame-builder.ts';
import { readCompressed } from '../../src/repository/compressed-file.ts';
import { compressHere, readLastHere } from '../../src/repository/compressed-here.ts';
import { largestTarFrame, readFrameIndex, writeFrameIndex } from '../../src/repository/frame-index.ts';
import {
  formatRepositoryBackup,
  parseRepositoryBackup,
  type RepositoryBackup,
} from '../../src/repository/repository-backup.ts';
import { FrameFiles } from '../../src/extraction/frame-file.ts';
import { describedBackup } from '../support/described-backup.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const gigabyte = 1 << 30;

/** A frame that says that it holds that much; it has a block of 128 kB of zeros for each, as long as there is room. */
function forgedFrame(size: number, blocks: number): Buffer {
  const head = Buffer.alloc(14);
  head.writeUInt32LE(0xfd2fb528);
  head.writeUInt8(0xe4, 4); // eight bytes of size, one segment, a checksum
  head.writeBigUInt64LE(BigInt(size), 5);
  const zeros = Buffer.from([...u24((131072 << 3) | 2), 0]); // a block of one byte, again and again
  return Buffer.concat([head.subarray(0, 13), ...Array.from({ length: blocks }, () => zeros)]);
}

function u24(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff];
}

async function stored(t: ExecutionContext, bytes: Buffer): Promise<FileHandle> {
  const path = join(await temporaryDirectory(t), 'file');
  await writeFile(path, bytes);
  const file = await open(path, 'r');
  t.teardown(() => file.close());
  return file;
}

async function read(file: FileHandle): Promise<number> {
  let size = 0;
  for await (const content of readCompressed(file, gigabyte)) size += content.length;
  return size;
}

function readHere(file: FileHandle): number {
  return readLastHere(file.fd, gigabyte).length;
}

test('a frame that says that it holds a gigabyte is not decompressed', async (t) => {
  const params = { [constants.ZSTD_c_checksumFlag]: 1 };
  const real = zstdCompressSync(Buffer.alloc(256 << 20), { params, chunkSize: 1 << 20 });
  const pledged = compressHere(Buffer.alloc(65 << 20), 1);
  for (const bytes of [forgedFrame(gigabyte, 8192), forgedFrame(gigabyte, 1), pledged, real]) {
    const file = await stored(t, bytes);
    const before = process.memoryUsage().rss;
    await t.throwsAsync(read(file), { message: /at most 67108864 are read|does not say its size/ });
    t.throws(() => readHere(file), { message: /at most 67108864 are read|does not say its size/ });
    t.true(process.memoryUsage().rss - before < 64 << 20);
  }
});

test('a frame that has no end is not read to the end of the file', async (t) => {
  const endless = Buffer.concat([forgedFrame(1000, 1), Buffer.alloc(32 << 20)]);
  const file = await stored(t, endless);
  await t.throwsAsync(read(file), { instanceOf: RangeError, message: 'a zstd frame has no end' });
  t.throws(() => readHere(file), { instanceOf: RangeError, message: 'a zstd frame has no end' });
});

test('a segment that was compressed by hand, as one frame, is read', async (t) => {
  const file = await stored(t, compressHere(Buffer.alloc(64 << 20, 'segment'), 1));
  t.is(await read(file), 64 << 20);
  t.is(readHere(file), 64 << 20);
});

test('the frame index has no frame that is larger than a copy makes them', (t) => {
  t.true(frameBytes + frameRoom <= largestTarFrame);
  const entry = { tar: 'base.tar.zst', offset: 0, length: 100, size: 1000 };
  t.is(readFrameIndex(writeFrameIndex(entry)).length, 1);
  for (const wrong of [
    { size: gigabyte },
    { size: -1 },
    { length: 4_000_000 },
    { length: -5 },
    { offset: 0.5 },
    { continues: { name: 'x', at: -1, left: 1, mode: 0, size: 1 } },
  ])
    t.throws(() => readFrameIndex(writeFrameIndex({ ...entry, ...wrong })), { message: /is malformed/ });
});

test('a frame of a tar that is not the one of the index is not decompressed', async (t) => {
  const directory = await temporaryDirectory(t);
  const bytes = forgedFrame(gigabyte, 1);
  await writeFile(join(directory, 'base.tar.zst'), bytes);
  const files = new FrameFiles(directory);
  const entry = { tar: 'base.tar.zst', offset: 0, length: bytes.length, size: 1000 };
  t.throws(() => files.read(entry), { message: /at most|not the one of the index/ });
  const small = compressHere(Buffer.alloc(2000), 1);
  await writeFile(join(directory, '1.tar.zst'), small);
  t.throws(() => files.read({ ...entry, tar: '1.tar.zst', length: small.length }), {
    message: /not the one/,
  });
  files.close();
});

test('a description whose values cannot be is not a backup, though its checksum is right', (t) => {
  const essentials = {
    id: 7,
    label: '\u001b[2J',
    systemIdentifier: '-7412345678901234567',
    startedAt: '2026-03-14T02:00:00.000Z',
    stoppedAt: '2026-03-14T02:01:00.000Z',
    startLsn: '0/100028',
    startWal: '000000010000000000000001',
    stopLsn: '0/100100',
    stopWal: '000000010000000000000001',
    walSegmentSize: 1 << 20,
  };
  const described = JSON.parse(describedBackup(essentials).toString()) as RepositoryBackup;
  const { sha256: _, ...sound } = described as RepositoryBackup & { sha256: string };
  const parse = (changes: object) =>
    parseRepositoryBackup('file', formatRepositoryBackup({ ...sound, ...changes }));
  t.is(parse({}).label, essentials.label, 'a label may be anything');
  const odd: Record<string, unknown>[] = [
    { id: 1e300 },
    { cluster: '../main' },
    { cluster: 'main\u001b[2J' },
    { timeline: 0 },
    { systemIdentifier: '../x' },
    { serverVersion: '18\u001b[2J' },
    { startedAt: '2026-03-14T99:00:00Z' },
    { stoppedAt: 'never' },
    { startWal: '../../../etc/passwd' },
    { stopWal: '00000001000000000000000g' },
    { startLsn: '0/1/2' },
    { stopLsn: '' },
    { tars: [null] },
    { tars: [{ name: 'base.tar.zst', bytes: -5, size: 1, frames: 1 }] },
    { tablespaces: [{ oid: '../x', path: '/x', tar: 'x' }] },
    { damagedPages: ['\u001b[2J'] },
    { blockSize: 1e-9 },
    { blockSize: 0 },
    { blockSize: 12_288 },
    { relationSegmentBlocks: -1 },
    { relationSegmentBlocks: 2 ** 32 },
  ];
  for (const changes of odd)
    t.throws(
      () => parse(changes),
      { code: 'backup_damaged', message: new RegExp(String(Object.keys(changes))) },
      JSON.stringify(changes),
    );
});
