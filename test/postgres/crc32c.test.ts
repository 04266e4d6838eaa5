import test from 'ava';
import { combineCrc32c, crc32c } from '../../src/postgres/crc32c.ts';

for (const [bytes, crc] of [
  [Buffer.alloc(0), 0],
  [Buffer.from('123456789'), 0xe3069283],
  [Buffer.alloc(32, 0xff), 0x62a8ab43],
] as const) {
  test(`the CRC-32C of ${bytes.length} known bytes is what RFC 3720 says`, (t) => {
    t.is(crc32c(bytes), crc);
  });
}

test('a file can be taken piece by piece', (t) => {
  t.is(crc32c(Buffer.from('56789'), crc32c(Buffer.from('1234'))), 0xe3069283);
});

test('pieces taken apart from each other combine to the whole, whatever their lengths', (t) => {
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 7919) % 251));
  for (const at of [0, 1, 4095, 65_536, 99_999, 100_000]) {
    const [first, second] = [bytes.subarray(0, at), bytes.subarray(at)];
    t.is(combineCrc32c(crc32c(first), crc32c(second), second.length), crc32c(bytes), `at ${at}`);
  }
});

test('a length of more than 32 bits counts like two lengths that add up to it', (t) => {
  const half = 3 * 2 ** 30;
  const [first, second] = [crc32c(Buffer.from('first')), crc32c(Buffer.from('second'))];
  const halfway = combineCrc32c(first, 0, half);
  t.is(
    combineCrc32c(combineCrc32c(halfway, 0, half), second, 6),
    combineCrc32c(first, combineCrc32c(0, second, 6), 2 * half + 6),
  );
});
