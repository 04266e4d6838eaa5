/**
 * Whether all files of a backup are there and as they were: the parts of each, as the threads report them in any
 * order, against backup_manifest.
 */
import { combineCrc32c } from '../postgres/crc32c.ts';
import type { Manifest } from '../postgres/read-manifest.ts';
import type { FileChunk } from './extraction-messages.ts';

interface Pending {
  size: number;
  done: number;
  parts: FileChunk[];
}

export class ManifestChecker {
  readonly #manifest: Manifest | undefined;
  readonly #pending = new Map<string, Pending>();
  readonly #complete = new Set<string>();

  /** Without a manifest, sizes and places are all that is checked. */
  constructor(manifest: Manifest | undefined) {
    this.#manifest = manifest;
  }

  /** What is wrong with the file, if that has become clear; `complete`: this was the last part. */
  add(part: FileChunk): { complete: boolean; problem: string | undefined } {
    const { path, size, length } = part;
    if (this.#complete.has(path)) return { complete: false, problem: `"${path}" is there twice` };
    const pending = this.#pending.get(path) ?? { size, done: 0, parts: [] };
    if (pending.size !== size) return { complete: false, problem: `"${path}" has two different sizes` };
    pending.done += length;
    pending.parts.push(part);
    if (pending.done < size) {
      this.#pending.set(path, pending);
      return { complete: false, problem: undefined };
    }
    this.#pending.delete(path);
    this.#complete.add(path);
    return { complete: true, problem: this.#compare(path, pending) };
  }

  /** At the end: what the manifest lists and nothing was found of, or not all. */
  missing(): string[] {
    const unfinished = [...this.#pending].map(
      ([path, { done, size }]) => `"${path}" has ${done} bytes instead of ${size}`,
    );
    const absent: string[] = [];
    for (const [path] of this.#manifest?.files ?? [])
      if (!this.#complete.has(path) && !this.#pending.has(path)) absent.push(path);
    return [...unfinished, ...absent.map((path) => `"${path}" is missing`)];
  }

  #compare(path: string, { size, parts }: Pending): string | undefined {
    if (this.#manifest === undefined) return undefined;
    const expected = this.#manifest.files.get(path);
    if (expected === undefined) return `"${path}" is not in backup_manifest`;
    if (expected.size !== size) return `"${path}" has ${size} bytes instead of ${expected.size}`;
    if (expected.crc32c === undefined) return `"${path}" has no CRC-32C in backup_manifest`;
    let checksum = 0;
    let end = 0;
    for (const part of parts.toSorted((a, b) => a.at - b.at)) {
      if (part.at !== end) return `"${path}" has a gap or an overlap at byte ${end}`;
      checksum = combineCrc32c(checksum, part.crc32c, part.length);
      end += part.length;
    }
    return checksum === expected.crc32c
      ? undefined
      : `"${path}" is not what was backed up: its CRC-32C is wrong`;
  }
}
