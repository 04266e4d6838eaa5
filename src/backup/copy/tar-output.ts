/** A tar file of a backup. Written data is flushed to disk while the copy runs. */
import { close, fdatasync, fsync, openSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CopyError } from './copy-error.ts';
import type { StoredTar } from '../../repository/repository-backup.ts';
import { giveDescriptorToOwnerOf } from '../../system/ownership.ts';

/** Bytes between two flushes. Without these flushes, the disk would be idle until the end of the copy. */
const syncEvery = 64 * 1024 * 1024;

/** A tar that frames are written to. The constructor creates the file. */
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

  /** @throws CopyError where the file cannot be created */
  constructor(directory: string, name: string) {
    this.name = name;
    this.#path = join(directory, name);
    try {
      this.fd = openSync(this.#path, 'wx', 0o600);
      giveDescriptorToOwnerOf(directory, this.fd);
    } catch (error) {
      throw CopyError.writing(this.#path, error);
    }
  }

  /** Called when a frame has been written. `length`: compressed bytes. `size`: uncompressed bytes. */
  add({ length, size }: { length: number; size: number }): void {
    this.#bytes += length;
    this.#size += size;
    this.#frames += 1;
    this.#unsynced += length;
    if (this.#unsynced > syncEvery && this.#syncing === undefined) this.#sync();
  }

  /** Begins to flush what has been written, so that `finish` has less to wait for. */
  syncSoon(): void {
    if (this.#unsynced > 0 && this.#syncing === undefined) this.#sync();
  }

  /** Flushes the tar to disk and closes the file. @throws CopyError */
  async finish(): Promise<StoredTar> {
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

  /**
   * Flushes in the background. A failure is kept for `finish`, since the kernel reports a write error only once.
   */
  #sync(): void {
    this.#unsynced = 0;
    this.#syncing = promisify(fdatasync)(this.fd)
      .catch((error: Error) => {
        this.#failure = error;
      })
      .finally(() => (this.#syncing = undefined));
  }
}
