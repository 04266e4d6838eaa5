/** Bytes: larger than any buffer used here. glibc keeps up to twice as much free memory in each thread's heap. */
const largest = 5 << 20;

/**
 * Makes the process reuse freed memory. glibc returns each freed block of 128 kB or more to the kernel, until a
 * larger block has been freed (mallopt(3): M_MMAP_THRESHOLD); from then on, blocks up to that size are reused.
 * Without this call, every buffer of a frame and the tables of zstd consist of new pages. The first access to a new
 * page may take longer than compressing its content, in particular in a virtual machine. The large block itself is
 * never accessed. Has no effect without glibc.
 */
export function keepFreedMemory(): void {
  new ArrayBuffer(largest).transfer(0);
}
