// Manifests of real copies are read in test/backup/copy and in the scenarios.
import { createHash } from 'node:crypto';
import test from 'ava';
import {
  manifestEnd,
  manifestEntry,
  manifestHead,
  manifestTail,
} from '../../src/postgres/backup-manifest.ts';
import { parseManifest } from '../../src/postgres/read-manifest.ts';

const wal = { timeline: 2, startLsn: '0/2000028', stopLsn: '0/2000138' };
const entry = (path: string, size: number, crc32c: number, isFirst = false) =>
  manifestEntry({ path, size, mtime: 1_767_225_600, crc32c }, isFirst);

function signed(body: string): Buffer {
  return Buffer.from(body + manifestEnd(createHash('sha256').update(body).digest('hex')));
}

function manifestOf(files: string, major = 18): Buffer {
  return signed(manifestHead(major, '7412345678901234567') + files + manifestTail(wal));
}

test('a manifest is read as it was written, however many files it names', (t) => {
  const count = 1000;
  const name = (n: number) => (n % 2 === 0 ? `base/5/${n}` : Buffer.from(`Größe "${n}"`).toString('latin1'));
  const entries = Array.from({ length: count }, (_, n) =>
    entry(name(n), n * 2 ** 33, 0xffffffff - n, n === 0),
  );
  const { files, walRanges, systemIdentifier } = parseManifest(manifestOf(entries.join('')));
  t.is(systemIdentifier, '7412345678901234567');
  t.deepEqual(walRanges, [{ timeline: 2, start: '0/2000028', end: '0/2000138' }]);
  t.is(files.size, count);
  for (let n = 0; n < count; n += 1)
    t.deepEqual(files.get(name(n)), { size: n * 2 ** 33, crc32c: 0xffffffff - n });
  t.is(files.get('base/6/0'), undefined);
  t.deepEqual(
    [...files].map(([path]) => path),
    Array.from({ length: count }, (_, n) => name(n)),
  );
});

test('a name that is not UTF-8, a file with no CRC-32C, and version 1 are read', (t) => {
  const odd = Buffer.from([0x78, 0xe9]).toString('latin1');
  const plain = ',\n{ "Path": "PG_VERSION", "Size": 3, "Last-Modified": "2026-01-01 00:00:00 GMT" }';
  const { files, systemIdentifier } = parseManifest(manifestOf(entry(odd, 1, 0, true) + plain, 16));
  t.deepEqual(
    [...files],
    [
      [odd, { size: 1, crc32c: 0 }],
      ['PG_VERSION', { size: 3, crc32c: undefined }],
    ],
  );
  t.is(systemIdentifier, undefined);
});

test('a manifest without files is one', (t) => {
  t.is(parseManifest(manifestOf('')).files.size, 0);
});

test('what is damaged, or no manifest, is refused with what is wrong', (t) => {
  const whole = manifestOf(entry('a', 1, 1, true));
  const flipped = Buffer.from(whole);
  flipped[60] = (flipped[60] ?? 0) ^ 1;
  t.throws(() => parseManifest(flipped), { message: /own checksum is wrong/ });
  t.throws(() => parseManifest(whole.subarray(0, 100)), {
    message: /last line with the checksum is missing/,
  });
  t.throws(() => parseManifest(manifestOf(entry('a', 1, 1, true) + entry('a', 2, 2))), {
    message: 'it lists "a" twice',
  });
  t.throws(() => parseManifest(manifestOf(',\n{ "Path": ')), { instanceOf: Error });
  const other = signed('{ "PostgreSQL-Backup-Manifest-Version": 3,\n"Files": [\n],\n"WAL-Ranges": [\n],\n');
  t.throws(() => parseManifest(other), { message: 'it is of version 3' });
  const inOneLine = signed('{ "PostgreSQL-Backup-Manifest-Version": 2, "Files": [ { "Path": "a" } ],\n');
  t.throws(() => parseManifest(inOneLine), { message: 'it has no list of files' });
});
