/** Reads from a file descriptor while the calling thread goes on. */
import { read } from 'node:fs';
import { promisify } from 'node:util';

const readSome = promisify(read);

/**
 * Fills `into` from `position` of the file. Returns the number of bytes, which are fewer where the file ends earlier.
 * @throws an error of the file system
 */
export async function readInBackground(fd: number, into: Buffer, position: number): Promise<number> {
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await readSome(fd, into, done, into.length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}
