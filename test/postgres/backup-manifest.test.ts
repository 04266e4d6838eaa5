// That PostgreSQL's own tool accepts whole manifests is in test/scenarios/copy-verified.test.ts.
import { createHash } from 'node:crypto';
import test from 'ava';
import {
  manifestEnd,
  manifestEntry,
  manifestHead,
  manifestTail,
} from '../../src/postgres/backup-manifest.ts';

const file = { path: 'base/5/1259', size: 8192, mtime: 1_767_225_600.9, crc32c: 0x01020304 };

test('a manifest as the manual describes it', (t) => {
  const body =
    manifestHead(15, '7000000000000000001') +
    manifestEntry(file, true) +
    manifestEntry({ ...file, path: 'PG_VERSION', size: 3 }, false) +
    manifestTail({ timeline: 1, startLsn: '0/2000028', stopLsn: '0/2000138' });
  const sum = createHash('sha256').update(body).digest('hex');
  t.deepEqual(JSON.parse(body + manifestEnd(sum)), {
    'PostgreSQL-Backup-Manifest-Version': 1,
    Files: [
      {
        Path: 'base/5/1259',
        Size: 8192,
        'Last-Modified': '2026-01-01 00:00:00 GMT',
        'Checksum-Algorithm': 'CRC32C',
        Checksum: '04030201',
      },
      {
        Path: 'PG_VERSION',
        Size: 3,
        'Last-Modified': '2026-01-01 00:00:00 GMT',
        'Checksum-Algorithm': 'CRC32C',
        Checksum: '04030201',
      },
    ],
    'WAL-Ranges': [{ Timeline: 1, 'Start-LSN': '0/2000028', 'End-LSN': '0/2000138' }],
    'Manifest-Checksum': sum,
  });
  t.true(body.endsWith('],\n'), 'the checksum is on a line of its own');
});

test('from 17 on it is of version 2 and names the system, with all its digits', (t) => {
  const head = manifestHead(17, '7412345678901234567');
  t.is(
    head,
    '{ "PostgreSQL-Backup-Manifest-Version": 2,\n"System-Identifier": 7412345678901234567,\n"Files": [',
  );
  t.notRegex(manifestHead(16, '7412345678901234567'), /System-Identifier/);
});

test('a name is JSON, and one that is not UTF-8 is in hexadecimal', (t) => {
  const named = (path: Buffer) =>
    JSON.parse(manifestEntry({ ...file, path: path.toString('latin1') }, true)) as Record<string, unknown>;
  t.is(named(Buffer.from('log/"quoted" \\ é'))['Path'], 'log/"quoted" \\ é');
  t.is(named(Buffer.from([0x78, 0xe9]))['Encoded-Path'], '78e9');
});
