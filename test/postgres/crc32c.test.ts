import test from 'ava';
import { crc32c } from '../../src/postgres/crc32c.ts';

for (const [bytes, crc] of [
  [Buffer.alloc(0), 0],
  [Buffer.from('123456789'), 0xe3069283],
  [Buffer.alloc(32, 0xff), 0x62a8ab43],
] as const) {
  test(`the CRC-32C of ${bytes.length} known bytes is what RFC 3720 says`, (t) => {
    t.is(crc32c(bytes), crc);
  });
}
