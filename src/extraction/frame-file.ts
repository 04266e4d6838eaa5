/** Reads and decompresses frames of the stored tars. zstd verifies the content checksums. */
import { closeSync, fstatSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { decompressHere } from '../repository/compressed-here.ts';
import type { FrameEntry } from '../repository/frame-index.ts';
import { firstFrame } from '../repository/zstd-frames.ts';
import { readInBackground } from '../system/read-in-background.ts';
import { openRegularFileSync } from '../system/regular-file.ts';

/** Keeps the tars open. */
export class FrameFiles {
  readonly #directory: string;
  /** The file descriptors, by the names of the tars. */
  readonly #open = new Map<string, number>();
  #buffer: Buffer = Buffer.alloc(0);
  /** The buffers of `readAhead`, in turns. */
  #ahead: [Buffer, Buffer] = [Buffer.alloc(0), Buffer.alloc(0)];

  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * Reads and decompresses a frame.
   * @throws RangeError where the frame is damaged or does not match the index, or an error of the file system
   */
  read(frame: FrameEntry): Buffer {
    const fd = this.#fileOf(frame);
    this.#buffer = atLeast(this.#buffer, frame);
    refuseShort(fd, readSync(fd, this.#buffer, 0, frame.length, frame.offset), frame);
    return decompressFrame(this.#buffer.subarray(0, frame.length), frame);
  }

  /**
   * Reads a compressed frame in the background. Called again only after the promise is settled; the bytes are valid
   * until the call after the next one.
   * @throws RangeError where the file is too short, or an error of the file system
   */
  async readAhead(frame: FrameEntry): Promise<Buffer> {
    const fd = this.#fileOf(frame);
    const [last, next] = this.#ahead;
    const buffer = atLeast(next, frame);
    this.#ahead = [buffer, last];
    const compressed = buffer.subarray(0, frame.length);
    refuseShort(fd, await readInBackground(fd, compressed, frame.offset), frame);
    return compressed;
  }

  close(): void {
    for (const fd of this.#open.values()) closeSync(fd);
    this.#open.clear();
  }

  #fileOf({ tar }: FrameEntry): number {
    const fd = this.#open.get(tar) ?? openRegularFileSync(join(this.#directory, tar));
    this.#open.set(tar, fd);
    return fd;
  }
}

/**
 * Decompresses the frame of an entry of the index.
 * @throws RangeError where the frame is damaged or does not match the index
 */
export function decompressFrame(compressed: Buffer, { length, size }: FrameEntry): Buffer {
  // The content size in the frame's header determines how much memory zstd allocates, so the size is compared with
  // the index first.
  const frame = firstFrame(compressed);
  if (frame?.length !== length || frame.size !== size)
    throw new RangeError('the zstd frame is not the one of the index');
  return decompressHere(compressed, size);
}

function atLeast(buffer: Buffer, { length }: FrameEntry): Buffer {
  return buffer.length < length ? Buffer.allocUnsafeSlow(length) : buffer;
}

function refuseShort(fd: number, bytes: number, { length }: FrameEntry): void {
  if (bytes < length) throw new RangeError(`the file ends after ${fstatSync(fd).size} bytes`);
}
