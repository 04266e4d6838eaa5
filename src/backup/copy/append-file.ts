/** A file that is written from front to back, with its checksums kept on the way. */
import { createHash, type Hash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readSync, renameSync, writeSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { crc32c } from '../../postgres/crc32c.ts';
import { CopyError } from './copy-error.ts';

/** Characters that are gathered before they are written. */
const gathered = 64 * 1024;

export class AppendFile {
  #path: string;
  readonly #fd: number;
  readonly #sha256: Hash = createHash('sha256');
  #text = '';
  #bytes = 0;
  #crc32c = 0;

  constructor(path: string) {
    this.#path = path;
    try {
      this.#fd = openSync(path, 'wx', 0o600);
    } catch (error) {
      throw CopyError.writing(path, error);
    }
  }

  append(text: string): void {
    this.#text += text;
    if (this.#text.length > gathered) this.#flush();
  }

  /** In hexadecimal, of what has been appended so far. */
  sha256(): string {
    this.#flush();
    return this.#sha256.copy().digest('hex');
  }

  /** The same without those lines, under the same name; this one is of no use any more. */
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

  /** Makes it last. */
  close(): { bytes: number; crc32c: number } {
    this.#flush();
    try {
      fsyncSync(this.#fd);
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

/** With their ends, which the last one may not have. */
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
