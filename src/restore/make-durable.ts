/** What is restored has to be there after a power cut, too; the disk begins to write while there is more to extract. */
import { execFile } from 'node:child_process';
import { open, readdir } from 'node:fs/promises';
import { promisify } from 'node:util';
import { HoldfastError, messageOf } from '../errors.ts';
import { fsyncDirectory } from '../system/durable-files.ts';
import { bytePathBelow } from '../system/byte-path.ts';
import type { FileChunk } from '../extraction/extraction-messages.ts';

/** Smaller files are left to the end: each would cost a write of the file system's journal. */
const worthwhile = 1 << 20;
/** Bytes of one file; a disk that gets a large one only when it is complete is idle until then. */
const syncEvery = 32 << 20;
const atOnce = 2;

export class Flusher {
  readonly #waiting: Buffer[] = [];
  #running: Promise<void>[] = [];
  #failure: Error | undefined;

  /** Part of a file has been written; `placeOf`: where that file is. */
  wrote({ size, at, length }: FileChunk, isComplete: boolean, placeOf: () => Buffer): void {
    if (size < worthwhile) return;
    const before = Math.floor(at / syncEvery);
    const after = Math.floor((at + length) / syncEvery);
    if (!isComplete && before === after) return;
    this.#waiting.push(placeOf());
    if (this.#running.length < atOnce) this.#running.push(this.#work());
  }

  /** Makes all files below these directories durable, the small ones too. */
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

/** The whole file system at once (syncfs), as coreutils do it; file by file where they are not there. */
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
