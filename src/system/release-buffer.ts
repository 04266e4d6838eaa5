/**
 * Frees the memory of a large buffer at once; the buffer must not be used afterwards. The garbage collector sees only
 * the small object in front of the memory, and would let many megabytes accumulate. A small buffer shares its memory
 * with others, and is left alone.
 */
export function releaseBuffer({ buffer }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength > 4 * Buffer.poolSize) buffer.transfer(0);
}
