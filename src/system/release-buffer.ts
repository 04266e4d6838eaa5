/**
 * Gives a large buffer's memory back at once: the garbage collector, which sees a small object only, would let megabytes
 * pile up. Nothing may use it any more. A small one shares its memory with others, and is left alone.
 */
export function releaseBuffer({ buffer }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength > 4 * Buffer.poolSize) buffer.transfer(0);
}
