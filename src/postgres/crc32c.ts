/** CRC-32C (Castagnoli): PostgreSQL's checksum of pg_control, WAL records and manifests. */
import { crc32c as native } from '@node-rs/crc32';

/** `before` is the checksum of the bytes in front of these, so that a file can be taken piece by piece. */
export function crc32c(bytes: Uint8Array, before = 0): number {
  return native(bytes, before);
}

/** The checksum of two pieces one after the other, from the checksums of both and the second one's bytes. */
export function combineCrc32c(first: number, second: number, secondBytes: number): number {
  return (times(powerOfX(secondBytes), first) ^ second) >>> 0;
}

/** The polynomial, its bits reversed: the highest bit stands for 1, the lowest for x^31. */
const polynomial = 0x82f63b78;
const one = 0x80000000;

/** The product of two polynomials, modulo the CRC's. */
function times(a: number, b: number): number {
  let product = 0;
  let shifted = b;
  for (let bit = one; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) product ^= shifted;
    shifted = (shifted & 1) !== 0 ? (shifted >>> 1) ^ polynomial : shifted >>> 1;
  }
  return product >>> 0;
}

/** x^(8 · bytes): what that many zero bytes behind it multiply a checksum by. */
function powerOfX(bytes: number): number {
  let power = one;
  let square = one >>> 8; // x^8
  for (let left = bytes; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) power = times(square, power);
    square = times(square, square);
  }
  return power;
}
