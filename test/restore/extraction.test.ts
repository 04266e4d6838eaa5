import test from 'ava';
import { crc32c } from '../../src/postgres/crc32c.ts';
import { ManifestFiles } from '../../src/postgres/manifest-files.ts';
import type { Manifest } from '../../src/postgres/read-manifest.ts';
import { encodeHeader, endOfArchive, tarPadding } from '../../src/repository/tar.ts';
import { contentsOf } from '../../src/extraction/frame-chunks.ts';
import { ManifestChecker } from '../../src/extraction/manifest-checker.ts';
import { writeChunk } from '../../src/extraction/write-chunks.ts';
import { manifestPath } from '../../src/extraction/extraction-messages.ts';

function header(name: string, size: number): Buffer {
  return encodeHeader({ name, size, mode: 0o640, mtime: 0, uid: 1, gid: 2, user: 'u', group: 'g' });
}

const content = Buffer.from('0123456789'.repeat(100));
const padding = Buffer.alloc(tarPadding(content.length));

test('a frame has directories, whole files and the beginning of one that goes on', (t) => {
  const frame = Buffer.concat([
    header('base/', 0),
    header('base/1', content.length),
    content,
    padding,
    header('empty', 0),
    header('base/2', content.length),
    content.subarray(0, 300),
  ]);
  const { directories, pieces } = contentsOf(frame, {});
  t.deepEqual(
    directories.map(({ name }) => name),
    ['base/'],
  );
  t.deepEqual(
    pieces.map(({ name, at, size, data }) => [name, at, size, data.length]),
    [
      ['base/1', 0, 1000, 1000],
      ['empty', 0, 0, 0],
      ['base/2', 0, 1000, 300],
    ],
  );
});

test('a frame may begin within a file, and go on behind it', (t) => {
  const continues = { name: 'base/2', at: 300, left: 700, mode: 0o600, size: 1000 };
  const frame = Buffer.concat([content.subarray(300), padding, header('next', 0), endOfArchive]);
  const { pieces } = contentsOf(frame, { continues });
  t.deepEqual(
    pieces.map(({ name, at, data }) => [name, at, data.length]),
    [
      ['base/2', 300, 700],
      ['next', 0, 0],
    ],
  );
  t.is(contentsOf(content.subarray(300, 400), { continues }).pieces[0]?.data.length, 100);
});

test('what is no tar is refused', (t) => {
  t.throws(() => contentsOf(content, {}), { message: /checksum/ });
  t.throws(() => contentsOf(header('x', 0).subarray(0, 100), {}), { message: /cut off/ });
  t.throws(() => contentsOf(Buffer.concat([endOfArchive, header('x', 0)]), {}), {
    message: /follows the end/,
  });
  const continues = { name: 'x', at: 1, left: 1, mode: 0, size: 5 };
  t.throws(() => contentsOf(content, { continues }), { message: /contradicts itself/ });
});

const files = new ManifestFiles();
files.add('base/1', { size: 1000, crc32c: crc32c(content) });
const manifest: Manifest = { systemIdentifier: undefined, walRanges: [], files };

function part(at: number, length: number, path = 'base/1', size = 1000) {
  return { path, size, at, length, crc32c: crc32c(content.subarray(at, at + length)) };
}

test('the parts of a file are put together in whatever order they come', (t) => {
  const ledger = new ManifestChecker(manifest);
  t.deepEqual(ledger.add(part(700, 300)), { complete: false, problem: undefined });
  t.deepEqual(ledger.add(part(0, 300)), { complete: false, problem: undefined });
  t.deepEqual(ledger.missing(), ['"base/1" has 600 bytes instead of 1000']);
  t.deepEqual(ledger.add(part(300, 400)), { complete: true, problem: undefined });
  t.deepEqual(ledger.missing(), []);
});

test('whatever is not as the manifest has it is a problem', (t) => {
  const problem = (...parts: ReturnType<typeof part>[]) => {
    const ledger = new ManifestChecker(manifest);
    return parts.map((one) => ledger.add(one).problem).find((found) => found !== undefined);
  };
  t.regex(String(problem({ ...part(0, 1000), crc32c: 1 })), /its CRC-32C is wrong/);
  t.regex(String(problem(part(0, 500), part(0, 500))), /a gap or an overlap at byte 500/);
  t.regex(String(problem(part(0, 1000), part(0, 1000))), /is there twice/);
  t.regex(String(problem(part(0, 999, 'base/1', 999))), /has 999 bytes instead of 1000/);
  t.regex(String(problem(part(0, 1000, 'base/2'))), /is not in backup_manifest/);
  t.deepEqual(new ManifestChecker(manifest).missing(), ['"base/1" is missing']);
});

test("a tablespace's files are below pg_tblspc in the manifest", (t) => {
  t.is(manifestPath('16384.tar.zst', 'PG_18/5/1'), 'pg_tblspc/16384/PG_18/5/1');
  t.is(manifestPath('base.tar.zst', 'base/5/1'), 'base/5/1');
});

test('a write that fails names the file', (t) => {
  const piece = { name: 'full', size: 1, at: 0, data: Buffer.alloc(1), mode: 0o600, header: undefined };
  t.throws(() => writeChunk('/dev', piece, undefined), { message: /ENOSPC.*'\/dev\/full'$/ });
});
