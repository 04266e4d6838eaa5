/** Flushes restored files to disk. Flushing starts while other files are still being extracted. */
import { execFile } from 'node:child_process';
import { open, readdir } from 'node:fs/promises';
import { promisify } from 'node:util';
import { HoldfastError, messageOf } from '../errors.ts';
import { fsyncDirectory } from '../system/durable-files.ts';
import { bytePathBelow } from '../system/byte-path.ts';
import type { FileChunk } from '../extraction/extraction-messages.ts';

/**
 * Bytes. Smaller files are flushed at the end, because each flush costs a write to the file system's journal.
 */
const worthwhile = 1 << 20;
/**
 * Bytes of one file between two flushes. Without these flushes, the disk would be idle until a large file is
 * complete.
 */
const syncEvery = 32 << 20;
/** Number of files that are flushed at the same time. */
const atOnce = 2;

/** Flushes files in the background. */
export class Flusher {
  readonly #waiting: Buffer[] = [];
  #running: Promise<void>[] = [];
  #failure: Error | undefined;

  /** Reports that a part of a file has been written. `placeOf` returns the path of the file. */
  wrote({ size, at, length }: FileChunk, isComplete: boolean, placeOf: () => Buffer): void {
    if (size < worthwhile) return;
    const before = Math.floor(at / syncEvery);
    const after = Math.floor((at + length) / syncEvery);
    if (!isComplete && before === after) return;
    this.#waiting.push(placeOf());
    if (this.#running.length < atOnce) this.#running.push(this.#work());
  }

  /**
   * Flushes all files below the directories, including small files.
   * @throws HoldfastError `not_durable`
   */
  async finish(directories: readonly string[]): Promise<void> {
    while (this.#running.length > 0) {
      const running = this.#running;
      this.#running = [];
      await Promise.all(running);
    }
    try {
      if (this.#failure !== undefined) throw this.#failure;
      for (const directory of directories) await syncBelow(directory);
    } catch (error) {
      throw new HoldfastError('failed', `what was restored cannot be made durable: ${messageOf(error)}`, {
        code: 'not_durable',
        hint: 'restore again, to another disk: this one may be failing or full',
        cause: error,
      });
    }
  }

  async #work(): Promise<void> {
    for (let path = this.#waiting.shift(); path !== undefined; path = this.#waiting.shift())
      await syncPath(path).catch((error: Error) => {
        this.#failure ??= error;
      });
  }
}

/**
 * Flushes the whole file system with `sync -f` (syncfs); flushes file by file if coreutils is not installed.
 */
async function syncBelow(directory: string): Promise<void> {
  const path = bytePathBelow(directory, '').toString();
  const whole = await promisify(execFile)('sync', ['-f', path]).then(
    () => true,
    () => false,
  );
  if (!whole) await syncTree(directory);
}

async function syncTree(directory: string): Promise<void> {
  for (const entry of await readdir(bytePathBelow(directory, ''), {
    withFileTypes: true,
    encoding: 'latin1',
  })) {
    if (entry.isDirectory()) await syncTree(`${directory}/${entry.name}`);
    else if (entry.isFile()) await syncPath(bytePathBelow(directory, entry.name));
  }
  await fsyncDirectory(bytePathBelow(directory, ''));
}

async function syncPath(path: Buffer): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
