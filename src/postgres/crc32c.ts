/** CRC-32C (Castagnoli): PostgreSQL's checksum of pg_control, WAL records and manifests. */
import library from 'crc-32/crc32c.js';

export function crc32c(bytes: Uint8Array): number {
  return library.buf(bytes) >>> 0;
}
