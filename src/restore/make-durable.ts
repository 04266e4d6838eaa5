/** Flushes restored files to disk. Flushing starts while other files are still being extracted. */
import { execFile } from 'node:child_process';
import { open, readdir, stat } from 'node:fs/promises';
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
  /** Bytes of incomplete large files that were written since the last flush, by path. */
  readonly #unflushed = new Map<string, number>();
  /** The places of files that wait to be flushed, by path. */
  readonly #waiting = new Map<string, Buffer>();
  readonly #running = new Set<Promise<void>>();
  #failure: Error | undefined;

  /** Reports that a part of a file has been written. `placeOf` returns the path of the file. */
  wrote({ path, size, length }: FileChunk, isComplete: boolean, placeOf: () => Buffer): void {
    if (size < worthwhile) return;
    const bytes = (this.#unflushed.get(path) ?? 0) + length;
    const isDue = isComplete || bytes >= syncEvery;
    if (isComplete) this.#unflushed.delete(path);
    else this.#unflushed.set(path, isDue ? 0 : bytes);
    if (!isDue) return;
    this.#waiting.set(path, placeOf());
    if (this.#running.size >= atOnce) return;
    const work = this.#work().finally(() => this.#running.delete(work));
    this.#running.add(work);
  }

  /**
   * Flushes all files below the directories, including small files.
   * @throws HoldfastError `not_durable`
   */
  async finish(directories: readonly string[]): Promise<void> {
    this.#waiting.clear();
    await Promise.all(this.#running);
    try {
      if (this.#failure !== undefined) throw this.#failure;
      await syncAll(directories);
    } catch (error) {
      throw new HoldfastError('failed', `what was restored cannot be made durable: ${messageOf(error)}`, {
        code: 'not_durable',
        hint: 'restore again, to another disk: this one may be failing or full',
        cause: error,
      });
    }
  }

  /** Flushes the waiting files, one after the other. */
  async #work(): Promise<void> {
    for (const [path, place] of this.#waiting) {
      this.#waiting.delete(path);
      await syncPath(place).catch((error: Error) => {
        this.#failure ??= error;
      });
    }
  }
}

/**
 * Flushes whole file systems with `sync -f` (syncfs), each once; flushes file by file if coreutils is not installed.
 */
async function syncAll(directories: readonly string[]): Promise<void> {
  const flushed = new Set<number>();
  for (const directory of directories) {
    const path = bytePathBelow(directory, '');
    const { dev } = await stat(path);
    if (flushed.has(dev)) continue;
    await promisify(execFile)('sync', ['-f', path.toString()]).then(
      () => flushed.add(dev),
      () => syncTree(directory),
    );
  }
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
