// What goes into a frame, from files that change, shrink and vanish meanwhile.
import { once } from 'node:events';
import { closeSync, openSync, truncateSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import test, { type ExecutionContext } from 'ava';
import { FrameBuilder, type FrameBuffer } from '../../../src/backup/copy/frame-builder.ts';
import { crc32c } from '../../../src/postgres/crc32c.ts';
import { pageChecksum } from '../../../src/postgres/page-checksum.ts';
import { parseHeader, type TarMember } from '../../../src/repository/tar.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { sameBytes } from '../../support/same-bytes.ts';

const member = (name: string, size: number): TarMember => ({
  name,
  size,
  mode: 0o600,
  mtime: 1_767_225_600,
  uid: 1,
  gid: 1,
  user: '',
  group: '',
});
const rules = { blockSize: 8192, startLsn: 1n << 40n };

/** Pages with a checksum each, as blocks from `first` on. */
function pages(count: number, first = 0): Buffer {
  const bytes = Buffer.from(new ArrayBuffer(count * 8192));
  const words = new Int32Array(bytes.buffer);
  for (let page = 0; page < count; page += 1) {
    const at = page * 8192;
    bytes.fill(`page ${first + page} `, at, at + 8192);
    bytes.writeUInt32LE(0, at);
    bytes.writeUInt32LE(4096 + page, at + 4);
    bytes.writeUInt16LE(8000, at + 14);
    bytes.writeUInt16LE(pageChecksum(words, at / 4, 8192, first + page), at + 8);
  }
  return bytes;
}

test('a file that has vanished is left out, with its header', async (t) => {
  const directory = await temporaryDirectory(t);
  await writeFile(join(directory, 'there'), 'data');
  const file = (name: string) => ({
    member: member(name, 4),
    data: { kind: 'file' as const, source: join(directory, name), size: 4, firstBlock: undefined },
  });
  const { bytes, contents } = new FrameBuilder(undefined).build([file('gone'), file('there')]);
  t.deepEqual(contents, [null, { size: 4, crc32c: crc32c(Buffer.from('data')) }]);
  t.is(parseHeader(bytes).member?.name, 'there');
  t.is(bytes.length, 1024);
});

test('a file that has become shorter is filled up with zeros, one that has grown is cut', async (t) => {
  const directory = await temporaryDirectory(t);
  const source = join(directory, 'file');
  await writeFile(source, 'some data');
  const builder = new FrameBuilder(undefined);
  const build = (size: number) =>
    builder.build([
      { member: member('file', size), data: { kind: 'file', source, size, firstBlock: undefined } },
    ]);
  const longer = build(20);
  const padded = Buffer.concat([Buffer.from('some data'), Buffer.alloc(11)]);
  t.deepEqual(longer.bytes.subarray(512, 532), padded);
  t.deepEqual(longer.contents, [{ size: 20, crc32c: crc32c(padded) }]);
  t.deepEqual(build(4).bytes.subarray(512), Buffer.concat([Buffer.from('some'), Buffer.alloc(508)]));
});

test('a piece of a big file that was truncated meanwhile has zeros, and no damage', async (t) => {
  const source = join(await temporaryDirectory(t), 'file');
  await writeFile(source, pages(200));
  const fd = openSync(source, 'r');
  t.teardown(() => closeSync(fd));
  truncateSync(source, 8192 * 3);
  const size = 8192 * 100;
  const piece = { kind: 'piece' as const, fd, source, at: 0, size, padding: 0, firstBlock: 0 };
  const { bytes, contents, damaged } = new FrameBuilder(rules).build([{ data: piece }]);
  sameBytes(t, Buffer.from(bytes.subarray(0, 3 * 8192)), pages(3));
  t.true(bytes.subarray(3 * 8192).every((byte) => byte === 0));
  t.is(contents[0]?.size, size);
  t.deepEqual(damaged, []);
});

test('pieces are read ahead, two at a time, and their damaged pages are named by block', async (t) => {
  const source = join(await temporaryDirectory(t), 'file');
  const sound = pages(200, 131_072);
  const damaged = Buffer.from(sound);
  for (const page of [3, 170]) damaged[page * 8192 + 4000] = 0;
  const size = 100 * 8192;
  /** `afterwards`: done to the file when it has been read ahead. */
  const build = async (content: Buffer, afterwards: () => void) => {
    await writeFile(source, content);
    const fd = openSync(source, 'r');
    t.teardown(() => closeSync(fd));
    const piece = { kind: 'piece' as const, fd, source, size, padding: 0 };
    const frames = [
      [{ member: member('file', 2 * size), data: { ...piece, at: 0, firstBlock: 131_072 } }],
      [{ data: { ...piece, at: size, firstBlock: 131_172 } }],
    ];
    const builder = new FrameBuilder(rules);
    const buffers: FrameBuffer[] = [];
    for (const parts of frames) buffers.push(await builder.prepare(parts));
    afterwards();
    return frames.map((parts, index) => builder.build(parts, buffers[index]));
  };
  const ahead = await build(sound, () => truncateSync(source, 0));
  sameBytes(t, Buffer.from(ahead[0]?.bytes.subarray(512) ?? []), sound.subarray(0, size));
  sameBytes(t, Buffer.from(ahead[1]?.bytes ?? []), sound.subarray(size));
  t.deepEqual(
    ahead.map(({ contents }) => contents),
    [sound.subarray(0, size), sound.subarray(size)].map((bytes) => [{ size, crc32c: crc32c(bytes) }]),
  );
  const found = await build(damaged, () => undefined);
  t.deepEqual(
    found.map((frame) => frame.damaged),
    [[{ part: 0, block: 131_075 }], [{ part: 0, block: 131_242 }]],
  );
});

test('a piece that is read ahead from a file that has become shorter has zeros, and no damage', async (t) => {
  const source = join(await temporaryDirectory(t), 'file');
  await writeFile(source, pages(3));
  const fd = openSync(source, 'r');
  t.teardown(() => closeSync(fd));
  const size = 100 * 8192;
  const parts = [{ data: { kind: 'piece' as const, fd, source, at: 0, size, padding: 0, firstBlock: 0 } }];
  const builder = new FrameBuilder(rules);
  for (const full of [false, true, true]) {
    if (full) builder.build([{ data: { kind: 'bytes', bytes: new Uint8Array(size).fill(1) } }]);
    const { bytes, damaged } = builder.build(parts, await builder.prepare(parts));
    t.is(bytes.length, size);
    sameBytes(t, Buffer.from(bytes.subarray(0, 3 * 8192)), pages(3));
    t.true(bytes.subarray(3 * 8192).every((byte) => byte === 0));
    t.deepEqual(damaged, []);
  }
});

test('damaged pages are named by block, through all pieces of what is read', async (t) => {
  const source = join(await temporaryDirectory(t), 'file');
  const bytes = pages(200, 131_072);
  for (const page of [0, 70, 199]) bytes[page * 8192 + 4000] = 0;
  await writeFile(source, bytes);
  const data = { kind: 'file' as const, source, size: bytes.length, firstBlock: 131_072 };
  const { damaged } = new FrameBuilder(rules).build([{ member: member('file', bytes.length), data }]);
  t.deepEqual(
    damaged,
    [0, 70, 199].map((page) => ({ part: 0, block: 131_072 + page })),
  );
});

test('a page that does not match, and is cut off while it is read again, is zeros and no damage', async (t) => {
  const { bytes, damaged } = await changedWhileRead(t, tornPage(), Buffer.alloc(0));
  t.deepEqual(damaged, []);
  t.true(bytes.every((byte) => byte === 0));
});

test('a page that is torn when it is read, and whole when it is read again, is taken whole and no damage', async (t) => {
  const { bytes, crc, damaged } = await changedWhileRead(t, tornPage(), pages(1));
  t.deepEqual(damaged, []);
  sameBytes(t, bytes, pages(1));
  t.is(crc, crc32c(pages(1)));
});

function tornPage(): Buffer {
  const torn = pages(1);
  torn[4000] = 0;
  return torn;
}

/** Of a file that another thread changes after it was read, and before it was read again for the last time. */
async function changedWhileRead(t: ExecutionContext, first: Buffer, last: Buffer) {
  const source = join(await temporaryDirectory(t), 'file');
  const changedAt = new BigInt64Array(new SharedArrayBuffer(8));
  const changing = new Worker(
    `const { parentPort, workerData: { source, last, changedAt } } = require('node:worker_threads');
    const { openSync, writeSync, ftruncateSync, closeSync } = require('node:fs');
    parentPort.on('message', () => setTimeout(() => {
      const fd = openSync(source, 'r+');
      writeSync(fd, last, 0, last.length, 0);
      ftruncateSync(fd, last.length);
      closeSync(fd);
      Atomics.store(changedAt, 0, BigInt(Date.now()));
      parentPort.postMessage('done');
    }, 20));`,
    { eval: true, workerData: { source, last, changedAt } },
  );
  t.teardown(() => changing.terminate());
  const data = { kind: 'file' as const, source, size: first.length, firstBlock: 0 };
  for (let attempt = 0; attempt < 50; attempt += 1) {
    await writeFile(source, first);
    Atomics.store(changedAt, 0, 0n);
    const began = Date.now();
    const done = once(changing, 'message');
    changing.postMessage('now');
    const built = new FrameBuilder(rules).build([{ member: member('file', first.length), data }]);
    const at = Number(Atomics.load(changedAt, 0));
    const isTooLate = at === 0 || (built.damaged.length > 0 && Date.now() - at < 30);
    const bytes = Buffer.from(built.bytes.subarray(512, 512 + first.length));
    await done;
    // After 15 milliseconds it had been read once.
    if (!isTooLate && at - began > 15)
      return { bytes, crc: built.contents[0]?.crc32c, damaged: built.damaged };
  }
  throw new Error('it was never changed in time');
}

test('a file that cannot be read is named, whole or in pieces, read ahead or not', async (t) => {
  const source = await temporaryDirectory(t); // a directory can be opened, and not read
  const fd = openSync(source, 'r');
  t.teardown(() => closeSync(fd));
  const named = { message: `cannot read "${source}": EISDIR: illegal operation on a directory, read` };
  const size = 8192;
  const piece = { kind: 'piece' as const, fd, source, at: 0, size, padding: 0, firstBlock: 0 };
  const blocks = {
    kind: 'blocks' as const,
    file: { fd, source },
    header: new Uint8Array(),
    blocks: new Uint32Array([0]),
    blockSize: size,
    firstBlock: 0,
    padding: 0,
  };
  for (const data of [
    { kind: 'file' as const, source, size, firstBlock: 0 },
    piece,
    blocks,
    { ...blocks, file: { source, owner: undefined } },
  ])
    t.throws(() => new FrameBuilder(rules).build([{ data }]), named, data.kind);
  await t.throwsAsync(new FrameBuilder(rules).prepare([{ data: piece }]), named);
});
