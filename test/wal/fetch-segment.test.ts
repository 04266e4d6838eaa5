import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { temporaryName } from '../../src/system/temporary-files.ts';
import { writtenAs } from '../../src/wal/our-directories.ts';
import { MB, segment1, segmentBytes, standInFor, walScene, type Scene } from '../support/wal.ts';
import { sameBytes } from '../support/same-bytes.ts';

const segment2 = '000000010000000000000002';

test('a segment comes back as it was', async (t) => {
  const scene = await archivedScene(t, 16 * MB);
  const { status, stdout, stderr } = await scene.fetch(segment1);
  t.deepEqual([status, stdout, stderr], [0, '', '']);
  sameBytes(t, await readFile(destination(scene)), segmentBytes({ size: 16 * MB }));
});

test('history files come back, too', async (t) => {
  const scene = await archivedScene(t);
  await scene.wal('00000002.history', Buffer.from('1\t0/3000000\tno recovery target specified\n'));
  await scene.archive('00000002.history');
  t.is((await scene.fetch('00000002.history')).status, 0);
  t.is(await readFile(destination(scene), 'utf8'), '1\t0/3000000\tno recovery target specified\n');
});

test('what is not in the archive is 1, without a word, and nothing is left behind', async (t) => {
  const scene = await archivedScene(t);
  for (const name of [segment2, '00000002.history', `${segment1}.00000028.backup`]) {
    t.like(await scene.fetch(name), { status: 1, stdout: '', stderr: '' }, name);
  }
  t.deepEqual(await inWal(scene), [segment1]);
});

test('a server is given nothing of the archive of another system, and is not told that it ends', async (t) => {
  const scene = await archivedScene(t);
  await mkdir(join(scene.dataDirectory, 'global'));
  const control = Buffer.alloc(8192);
  control.writeBigUInt64LE(7_000_000_000_000_000_001n);
  await writeFile(join(scene.dataDirectory, 'global', 'pg_control'), control);
  for (const name of [segment1, segment2, '00000002.history']) {
    const { status, stderr } = await scene.fetch(name);
    t.is(status, 200, name);
    t.regex(
      stderr,
      /has the WAL of the system 7412345678901234567, and this server is 7000000000000000001\n {2}hint: name/,
    );
  }
  control.writeBigUInt64LE(7_412_345_678_901_234_567n);
  await writeFile(join(scene.dataDirectory, 'global', 'pg_control'), control);
  t.is((await scene.fetch(segment1)).status, 0);
});

test('an archive that is not there is no archive without that segment', async (t) => {
  const scene = await walScene(t);
  const { status, stderr } = await scene.fetch(segment1);
  t.is(status, 200);
  t.regex(stderr, /there is no WAL archive in ".*"\n {2}hint: mount its file system/);
});

for (const [what, damage, message] of [
  ['with a bit flipped in its data', flip(0.5), /a zstd frame is damaged/],
  ['with a bit flipped in its checksum', flip(1), /a zstd frame is damaged/],
  ['with a bit flipped at its beginning', flip(0), /there is no zstd frame/],
  ['cut off within a frame', cut(0.7), /it is cut off within a zstd frame/],
  ['cut off after a frame', cutAfterFirstFrame, /it holds 2097152 bytes, not 16777216/],
  ['empty', cut(0), /it holds 0 bytes, not 16777216/],
] as const) {
  test(`a segment ${what} is an error that ends recovery, and nothing is left behind`, async (t) => {
    const scene = await archivedScene(t, 16 * MB);
    const file = scene.archived(segment1);
    await damage(file);
    const { status, stderr } = await scene.fetch(segment1);
    t.is(status, 200);
    t.true(stderr.startsWith(`holdfast: "${file}" is damaged: `), stderr);
    t.regex(stderr, message);
    t.deepEqual(await inWal(scene), [segment1]);
  });
}

for (const [what, content, message] of [
  ['empty', '', /it names no timeline/],
  ['cut off in an LSN', '1\t0/30', /it is cut off within a line/],
  ['cut off in a reason', '1\t0/3000000\tno reco', /it is cut off within a line/],
  [
    'with a bit flipped in a tab',
    '1I0/3000000\tno recovery target specified\n',
    /its line ".*" is malformed/,
  ],
  ['with a bit flipped in an LSN', '1\t0/300p000\tno recovery target specified\n', /is not an LSN/],
  ['with a bit flipped in a timeline', '3\t0/3000000\tno recovery target specified\n', /do not lead to 2: 3/],
] as const) {
  test(`a timeline history ${what} is an error that ends recovery, and nothing is left behind`, async (t) => {
    const scene = await archivedScene(t);
    const file = scene.archived('00000002.history');
    await writeFile(file, content);
    const { status, stderr } = await scene.fetch('00000002.history');
    t.is(status, 200);
    t.true(stderr.startsWith(`holdfast: "${file}" is damaged: `), stderr);
    t.regex(stderr, message);
    t.deepEqual(await inWal(scene), [segment1]);
  });
}

test('a segment under the name of another one is an error, and so is one of another system', async (t) => {
  const scene = await archivedScene(t);
  await writeFile(scene.archived(segment2), await readFile(scene.archived(segment1)));
  t.regex((await scene.fetch(segment2)).stderr, /is damaged: it is another segment than its name says/);
  const other = await walScene(t);
  await other.wal(segment1, { system: '1' });
  await other.archive(segment1);
  await writeFile(scene.archived(segment1), await readFile(other.archived(segment1)));
  const { status, stderr } = await scene.fetch(segment1);
  t.is(status, 200);
  t.regex(stderr, /is damaged: it is of the system 1, not/);
});

test('wrong usage and a wrong configuration are not the end of the archive either', async (t) => {
  const scene = await archivedScene(t);
  const swapped = await scene.fetch('pg_wal/RECOVERYXLOG', segment1);
  t.is(swapped.status, 200);
  t.regex(swapped.stderr, /is not the name of a WAL file\n {2}hint: .*holdfast wal fetch "%f" "%p"/);
  await writeFile(join(scene.repository, 'main', 'cluster.json'), '{}');
  t.is((await scene.fetch(segment1)).status, 200);
  t.is((await scene.fetch(segment1, 'no/such/directory')).status, 200);
});

test('what a fetch that was killed has left is removed by the next one of the server', async (t) => {
  const scene = await archivedScene(t);
  const parts = temporaryName(writtenAs('RECOVERYXLOG')).split('~');
  parts[3] = '999999999';
  const left = parts.join('~');
  await writeFile(join(scene.dataDirectory, 'pg_wal', left), 'half a segment');
  t.is((await scene.fetch(segment1)).status, 0);
  t.deepEqual(
    (await inWal(scene)).sort(),
    [segment1, 'RECOVERYXLOG', left],
    'no server runs: the directory is the tools',
  );
  await standInFor(t, scene.dataDirectory);
  t.is((await scene.fetch(segment1)).status, 0);
  t.deepEqual(await inWal(scene), [segment1, 'RECOVERYXLOG']);
});

async function archivedScene(t: Parameters<typeof walScene>[0], size = MB): Promise<Scene> {
  const scene = await walScene(t);
  await scene.wal(segment1, { size });
  await scene.archive(segment1);
  return scene;
}

function destination(scene: Scene): string {
  return join(scene.dataDirectory, 'pg_wal', 'RECOVERYXLOG');
}

async function inWal(scene: Scene): Promise<string[]> {
  return (await readdir(join(scene.dataDirectory, 'pg_wal'))).sort();
}

function flip(where: number) {
  return async (file: string) => {
    const bytes = await readFile(file);
    const at = Math.min(bytes.length - 1, Math.floor(bytes.length * where));
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    await writeFile(file, bytes);
  };
}

function cut(where: number) {
  return async (file: string) => truncate(file, Math.floor((await readFile(file)).length * where));
}

async function cutAfterFirstFrame(file: string): Promise<void> {
  const bytes = await readFile(file);
  await truncate(file, bytes.indexOf(bytes.subarray(0, 4), 4));
}

test('a timeline history that the server has itself, or that never was, is no reason to end it', async (t) => {
  const scene = await walScene(t);
  await rm(join(scene.repository, 'main'), { recursive: true });
  await scene.wal('00000003.history', Buffer.from('2\t0/3000000\tno recovery target specified\n'));
  const status = async (name: string) => [
    (await scene.fetch(name, 'pg_wal/RECOVERYHISTORY')).status,
    (await scene.withoutNode(['fetch', name, 'pg_wal/RECOVERYHISTORY'])).status,
  ];
  t.deepEqual(await status('00000001.history'), [1, 1]);
  t.deepEqual(await status('00000003.history'), [1, 1]);
  t.deepEqual(await status('00000004.history'), [200, 127]);
});
