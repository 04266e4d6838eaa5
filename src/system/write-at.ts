/** Writes of many bytes, which the system takes the faster the smaller its pieces of memory for them are. */
import { writeSync } from 'node:fs';

/**
 * Bytes at once. For a large write Linux takes large pieces of free memory, which a virtual machine may have to get back
 * from its host first: 64 kB at a time took a tenth of the time of 1 MB.
 */
const atOnce = 64 * 1024;

/** All of the bytes, from that position of the file on. @throws the system's error */
export function writeAt(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;)
    done += writeSync(fd, bytes, done, Math.min(atOnce, bytes.length - done), position + done);
}
