/**
 * Checks that all files of a backup are present and unchanged. Compares the parts that the threads report, in any
 * order, with backup_manifest.
 */
import { combineCrc32c } from '../postgres/crc32c.ts';
import type { Manifest } from '../postgres/read-manifest.ts';
import type { FileChunk } from './extraction-messages.ts';

interface Pending {
  size: number;
  done: number;
  parts: FileChunk[];
}

/** Collects the parts of files, and checks each complete file. */
export class ManifestChecker {
  readonly #manifest: Manifest | undefined;
  readonly #pending = new Map<string, Pending>();
  readonly #complete = new Set<string>();

  /** Without a manifest, only sizes and repeated files are checked. */
  constructor(manifest: Manifest | undefined) {
    this.#manifest = manifest;
  }

  /** Adds a part of a file. `complete`: this part completes the file. `problem`: the problem found, or undefined. */
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

  /** Returns the problems left at the end: incomplete files, and files of the manifest that were not found. */
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
