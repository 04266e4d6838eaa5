/** CRC-32C (Castagnoli): PostgreSQL's checksum of pg_control, WAL records and manifests. */
import { createRequire } from 'node:module';
import type * as Crc32 from '@node-rs/crc32';

/** Loaded with the first checksum: a fetch of what is not archived computes none. */
let native: typeof Crc32.crc32c | undefined;

/**
 * Returns the checksum of `bytes`. `before`: the checksum of the preceding bytes, so that a file can be processed
 * piece by piece.
 */
export function crc32c(bytes: Uint8Array, before = 0): number {
  native ??= (createRequire(import.meta.url)('@node-rs/crc32') as typeof Crc32).crc32c;
  return native(bytes, before);
}

/** Returns the checksum of two consecutive pieces. `secondBytes`: the length of the second piece in bytes. */
export function combineCrc32c(first: number, second: number, secondBytes: number): number {
  return (times(powerOfX(secondBytes), first) ^ second) >>> 0;
}

/** The polynomial with reversed bits: the highest bit is the coefficient of 1, the lowest of x^31. */
const polynomial = 0x82f63b78;
const one = 0x80000000;

/** Returns the product of two polynomials, modulo the polynomial of the CRC. */
function times(a: number, b: number): number {
  let product = 0;
  let shifted = b;
  for (let bit = one; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) product ^= shifted;
    shifted = (shifted & 1) !== 0 ? (shifted >>> 1) ^ polynomial : shifted >>> 1;
  }
  return product >>> 0;
}

/** Returns x^(8 · bytes), the factor by which appending that many zero bytes multiplies a checksum. */
function powerOfX(bytes: number): number {
  let power = one;
  let square = one >>> 8; // x^8
  for (let left = bytes; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) power = times(square, power);
    square = times(square, square);
  }
  return power;
}
