/** Bytes: more than any buffer here; glibc keeps twice as much of what is free in each thread's heap, and no more. */
const largest = 5 << 20;

/**
 * Lets the process keep what it frees. glibc gives each block from 128 kB on back to the kernel at once, until it has
 * seen a larger one freed (mallopt(3): M_MMAP_THRESHOLD): then blocks up to that size are used again. Without this, each
 * frame's buffers and zstd's own tables are new pages, and a page's first touch may cost more than its compression,
 * above all in a virtual machine. The block itself is never touched. Elsewhere than with glibc it does nothing.
 */
export function keepFreedMemory(): void {
  new ArrayBuffer(largest).transfer(0);
}
