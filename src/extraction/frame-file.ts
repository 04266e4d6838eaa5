/** Reads and decompresses frames of a stored tar. zstd verifies the content checksums. */
import { closeSync, fstatSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { decompressHere } from '../repository/compressed-here.ts';
import type { FrameEntry } from '../repository/frame-index.ts';
import { firstFrame } from '../repository/zstd-frames.ts';
import { openRegularFileSync } from '../system/regular-file.ts';

/** Keeps one tar open, because frames are read in the order of the tars. */
export class FrameFiles {
  readonly #directory: string;
  #open: { tar: string; fd: number } | undefined;
  #compressed = Buffer.alloc(0);

  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * Reads and decompresses a frame.
   * @throws RangeError where the frame is damaged or does not match the index, or an error of the file system
   */
  read({ tar, offset, length, size }: FrameEntry): Buffer {
    const fd = this.#fileOf(tar);
    if (this.#compressed.length < length) this.#compressed = Buffer.allocUnsafeSlow(length);
    const compressed = this.#compressed.subarray(0, length);
    const read = readSync(fd, compressed, 0, length, offset);
    if (read < length) throw new RangeError(`the file ends after ${fstatSync(fd).size} bytes`);
    // The content size in the frame's header determines how much memory zstd allocates, so the size is compared with
    // the index first.
    const frame = firstFrame(compressed);
    if (frame?.length !== length || frame.size !== size)
      throw new RangeError('the zstd frame is not the one of the index');
    return decompressHere(compressed, size);
  }

  close(): void {
    if (this.#open !== undefined) closeSync(this.#open.fd);
    this.#open = undefined;
  }

  #fileOf(tar: string): number {
    if (this.#open?.tar !== tar) {
      this.close();
      this.#open = { tar, fd: openRegularFileSync(join(this.#directory, tar)) };
    }
    return this.#open.fd;
  }
}
