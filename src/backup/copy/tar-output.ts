/** The tar files of a backup, as they are written: what is dirty in memory is sent to the disk on the way. */
import { close, fdatasync, fsync, openSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CopyError } from './copy-error.ts';
import type { TarSummary } from './copy-messages.ts';

/** Bytes; a disk that gets them all at the end is idle until then. */
const syncEvery = 64 * 1024 * 1024;

export class TarOutput {
  readonly name: string;
  readonly fd: number;
  readonly #path: string;
  #bytes = 0;
  #size = 0;
  #frames = 0;
  #unsynced = 0;
  #syncing: Promise<void> | undefined;
  #failure: Error | undefined;

  constructor(directory: string, name: string) {
    this.name = name;
    this.#path = join(directory, name);
    try {
      this.fd = openSync(this.#path, 'wx', 0o600);
    } catch (error) {
      throw CopyError.writing(this.#path, error);
    }
  }

  /** A frame has been written. */
  add({ length, size }: { length: number; size: number }): void {
    this.#bytes += length;
    this.#size += size;
    this.#frames += 1;
    this.#unsynced += length;
    if (this.#unsynced > syncEvery && this.#syncing === undefined) this.#sync();
  }

  /** Makes it last and closes it. @throws CopyError */
  async finish(): Promise<TarSummary> {
    await this.#syncing;
    try {
      if (this.#failure !== undefined) throw this.#failure;
      await promisify(fsync)(this.fd);
      await promisify(close)(this.fd);
    } catch (error) {
      throw CopyError.writing(this.#path, error);
    }
    return { name: this.name, bytes: this.#bytes, size: this.#size, frames: this.#frames };
  }

  /** A failure shows at the end, and the system does not tell it twice. */
  #sync(): void {
    this.#unsynced = 0;
    this.#syncing = promisify(fdatasync)(this.fd)
      .catch((error: Error) => {
        this.#failure = error;
      })
      .finally(() => (this.#syncing = undefined));
  }
}
