/** A file that is written sequentially. SHA-256 and CRC-32C are computed while writing. */
import { createHash, type Hash } from 'node:crypto';
import { closeSync, fsync, openSync, readSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { promisify } from 'node:util';
import { crc32c } from '../../postgres/crc32c.ts';
import { CopyError } from './copy-error.ts';
import { giveDescriptorToOwnerOf } from '../../system/ownership.ts';

/** Characters that are buffered before a write; bytes that are read at once. */
const gathered = 64 * 1024;

/** A file that only grows. The file is created by the constructor and must not exist before. */
export class AppendFile {
  #path: string;
  readonly #fd: number;
  readonly #sha256: Hash = createHash('sha256');
  #text = '';
  #bytes = 0;
  #crc32c = 0;

  /** @throws CopyError where the file cannot be created */
  constructor(path: string) {
    this.#path = path;
    try {
      this.#fd = openSync(path, 'wx', 0o600);
      giveDescriptorToOwnerOf(dirname(path), this.#fd);
    } catch (error) {
      throw CopyError.writing(path, error);
    }
  }

  /** Appends text, which may stay in the buffer for now. @throws CopyError */
  append(text: string): void {
    this.#text += text;
    if (this.#text.length > gathered) this.#flush();
  }

  /** Hexadecimal SHA-256 of everything that has been appended so far. */
  sha256(): string {
    this.#flush();
    return this.#sha256.copy().digest('hex');
  }

  /**
   * Rewrites the file without the unwanted lines and returns the new file, which has the same path. The old object
   * must not be used afterwards.
   * @throws CopyError
   */
  without(unwanted: (line: string) => boolean): AppendFile {
    this.#flush();
    const kept = new AppendFile(`${this.#path}.kept`);
    try {
      for (const line of linesOf(this.#path)) if (!unwanted(line)) kept.append(line);
      renameSync(kept.#path, this.#path);
    } catch (error) {
      throw CopyError.writing(this.#path, error);
    } finally {
      closeSync(this.#fd);
    }
    kept.#path = this.#path;
    return kept;
  }

  /** Flushes the file to disk and closes the file. `bytes`: the size of the file. @throws CopyError */
  async close(): Promise<{ bytes: number; crc32c: number }> {
    this.#flush();
    try {
      await promisify(fsync)(this.#fd);
    } catch (error) {
      throw CopyError.writing(this.#path, error);
    } finally {
      closeSync(this.#fd);
    }
    return { bytes: this.#bytes, crc32c: this.#crc32c };
  }

  #flush(): void {
    const bytes = Buffer.from(this.#text);
    this.#text = '';
    try {
      for (let done = 0; done < bytes.length;) done += writeSync(this.#fd, bytes, done);
    } catch (error) {
      throw CopyError.writing(this.#path, error);
    }
    this.#sha256.update(bytes);
    this.#crc32c = crc32c(bytes, this.#crc32c);
    this.#bytes += bytes.length;
  }
}

/** Yields the lines of a file with their newlines. The last line may have no newline. */
function* linesOf(path: string): Generator<string> {
  const fd = openSync(path, 'r');
  const decoder = new StringDecoder('utf8');
  const buffer = Buffer.alloc(gathered);
  let rest = '';
  try {
    for (let read = readSync(fd, buffer); read > 0; read = readSync(fd, buffer)) {
      const lines = (rest + decoder.write(buffer.subarray(0, read))).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield `${line}\n`;
    }
    if (rest !== '') yield rest;
  } finally {
    closeSync(fd);
  }
}
